"""What the tests run in a page: to notice what must not happen, and to see what shows for a moment only."""

from __future__ import annotations

# Before any script of a page: what its policy refused, and anything that ran but should not have, is said at once;
# so nobody has to ask a page that may be going elsewhere. And what a screen reader was told stays to be read.
NOTICED = "noticed by the test: "
WATCH = f"""
  {{
    const say = console.debug.bind(console, '{NOTICED}');
    addEventListener('securitypolicyviolation', (event) => say('refused', event.violatedDirective, event.blockedURI));
    window.alert = window.confirm = window.prompt = (text) => say('ran', String(text));
    window.heard = [];
    addEventListener('DOMContentLoaded', () => {{
      const said = document.querySelector('#said');
      if (said) new MutationObserver(() => window.heard.push(said.textContent)).observe(said, {{ childList: true }});
    }});
  }}
"""
# As in a browser that has none. It fetches the whole page once more, which most tests can do without.
NO_WORKER = "delete Navigator.prototype.serviceWorker;"
# What shows for a moment only is noted when it does, and looked for afterwards.
RECORD = """([selector, attribute]) => {
  const seen = ((window.recorded ??= {})[selector] = []);
  const look = () => {
    for (const one of document.querySelectorAll(selector)) {
      const value = attribute ? one.getAttribute(attribute) : one.hidden ? null : one.textContent;
      if (value !== null && seen.at(-1) !== value) seen.push(value);
    }
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  look();
}"""  # noqa: E501 -- JavaScript keeps its own lines
# Without a module of the page: the server that has them may be away.
OUTBOX = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open('idling');
  opening.onerror = reject;
  opening.onsuccess = () => {
    const asked = opening.result.transaction('outbox').objectStore('outbox').getAll();
    asked.onsuccess = () => {
      opening.result.close();
      resolve(asked.result.map(({ change }) => change));
    };
  };
})"""
DRAWN = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
