/** The page as files: nothing inline, nothing from elsewhere, nothing that turns text into markup. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const STATIC = resolve(dirname(fileURLToPath(import.meta.url)), '../../static');
const html = readFileSync(join(STATIC, 'index.html'), 'utf8');
const files = readdirSync(STATIC, { recursive: true }).map(String).filter((name) => /\.(js|css|html)$/.test(name));
const text = (name) => readFileSync(join(STATIC, name), 'utf8');
const attributes = (pattern) => [...html.matchAll(pattern)].map((match) => match[1]);

/** All modules that one imports, with those they import. */
function graph(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const code = text(name).replace(/\/\*[^]*?\*\//g, '');
  for (const [, path] of code.matchAll(/^(?:import|export)\s[^'"]*?['"](\.[^'"]+)['"]/gm)) {
    graph(relative(STATIC, resolve(STATIC, dirname(name), path)), seen);
  }
  return seen;
}

test('every module of the page is named in its head, so that none waits for another', () => {
  const preloaded = attributes(/<link rel="modulepreload" href="\/static\/([^"]+)">/g);
  const needed = [...graph('js/app.js')].filter((name) => name !== 'js/app.js').sort();
  assert.deepEqual(preloaded, needed);
});

test('everything the page names is there', () => {
  for (const path of attributes(/(?:href|src)="\/static\/([^"]+)"/g)) assert.ok(existsSync(join(STATIC, path)), path);
});

test('nothing inline: the policy would refuse it', () => {
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
});

test('nothing from elsewhere', () => {
  for (const name of files) {
    const urls = [...text(name).matchAll(/(?:https?:)?\/\/[a-z][^\s'"`)]*/gi)].map(([url]) => url).filter((url) => /^https?:/.test(url));
    assert.deepEqual(urls.filter((url) => url !== 'http://www.w3.org/2000/svg'), [], name);
  }
});

test('text never becomes markup, and no code is made of text', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setAttribute\(\s*['"](?:style|on)/;
  for (const name of files.filter((file) => file.endsWith('.js'))) assert.doesNotMatch(text(name), forbidden, name);
});

test('the client knows nothing of the page', () => {
  const own = [...graph('js/idling-client.js')];
  assert.ok(own.every((name) => name === 'js/idling-client.js' || name.startsWith('js/client/')), own.join());
  for (const name of own) assert.doesNotMatch(text(name), /\bdocument\.|customElements/, name);
});

test('a first visit is small', () => {
  const needed = ['index.html', ...graph('js/app.js'), ...attributes(/<link rel="stylesheet" href="\/static\/([^"]+)">/g), 'icons/icon.svg'];
  const bytes = needed.reduce((sum, name) => sum + gzipSync(text(name)).length, 0);
  assert.ok(bytes < 150_000, `${bytes} bytes compressed`);
});
