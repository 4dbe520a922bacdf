/**
 * A line of recent values as SVG, without axes: the number beside it says what is, the line how it came to be.
 */
const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 120;
const HEIGHT = 32;
const POINTS = 120;

/** @param {string} name  @param {Record<string, string>} attributes */
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class Sparkline {
  /** @type {number[]} */
  #values = [];
  #area = shape('path', { class: 'spark-area' });
  #line = shape('polyline', { class: 'spark-line', fill: 'none' });

  constructor() {
    this.element = shape('svg', { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    this.element.append(this.#area, this.#line);
  }

  /** @param {number[]} values  The oldest first. */
  fill(values) {
    this.#values = values.slice(-POINTS);
    this.#draw();
  }

  /** @param {number} value */
  add(value) {
    this.fill([...this.#values, value]);
  }

  #draw() {
    const values = this.#values;
    const most = Math.max(...values, 1);
    // The newest stands at the right edge, however many there are.
    const points = values.map((value, index) => {
      const x = WIDTH - ((values.length - 1 - index) * WIDTH) / (POINTS - 1);
      return `${x.toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 5)).toFixed(1)}`;
    });
    this.#line.setAttribute('points', points.join(' '));
    const first = points[0]?.split(',')[0] ?? '0';
    this.#area.setAttribute('d', points.length > 1 ? `M${first},${HEIGHT} L${points.join(' L')} L${WIDTH},${HEIGHT} Z` : '');
  }
}
