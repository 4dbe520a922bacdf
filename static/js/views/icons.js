/**
 * Icons: a few strokes each, drawn on a 24 px grid in the colour of the text around them.
 */
const SVG = 'http://www.w3.org/2000/svg';

const PATHS = Object.freeze({
  pause: ['M9 6v12', 'M15 6v12'],
  play: ['M8 5.5v13l10-6.5z'],
  stop: ['M7 7h10v10H7z'],
  pencil: ['M4 20l1-4L16 5l3 3L8 19z', 'M14 7l3 3'],
  clock: ['M12 7v5l3 2', 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
  cross: ['M6 6l12 12', 'M18 6L6 18'],
  question: ['M9 9.2a3 3 0 1 1 4.2 2.8c-.9.4-1.2 1-1.2 2', 'M12 17.5v.1', 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z'],
  room: ['M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z', 'M2.5 20c.5-3.6 3-5.6 6.5-5.6s6 2 6.5 5.6', 'M16 4.6a3.3 3.3 0 0 1 0 6', 'M18 14.9c2 .7 3.200 2.500 3.500 5.100'],
  me: ['M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z', 'M4.500 20.500c.6-4 3.500-6 7.500-6s6.900 2 7.500 6'],
  bell: ['M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 1.500h-15z', 'M10 20.500h4'],
  more: ['M5 12h.1', 'M12 12h.1', 'M19 12h.1'],
  down: ['M7 10l5 5 5-5'],
  back: ['M19 12H5.500', 'M11 6l-6 6 6 6'],
  screen: ['M4 5h16v11H4z', 'M9 20h6', 'M12 16v4'],
  phone: ['M8 3h8v18H8z', 'M11.500 18h1'],
  star: ['M12 3.500l2.600 5.400 5.900.8-4.300 4.100 1.100 5.900-5.300-2.900-5.300 2.900 1.100-5.900-4.300-4.100 5.900-.8z'],
  plus: ['M12 5v14', 'M5 12h14'],
  left: ['M14 6l-6 6 6 6'],
  right: ['M10 6l6 6-6 6'],
  smile: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z', 'M8.500 14c.8 1.500 2 2.300 3.500 2.300s2.700-.8 3.500-2.300', 'M9 9.500v.1', 'M15 9.500v.1'],
  alert: ['M12 8.500v4.500', 'M12 16.500v.1', 'M12 3.500L2.500 20h19z'],
});

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name  @returns {SVGElement} Decoration: what it means stands beside it in words. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  for (const path of PATHS[name]) {
    const stroke = document.createElementNS(SVG, 'path');
    stroke.setAttribute('d', path);
    svg.append(stroke);
  }
  return svg;
}
