// Makes elements. All text becomes text nodes: what a device has written is
// never read as markup.

// h makes an element. Properties that start with on are listeners; the others
// are attributes, left out where they are null or false.
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

// icon shows one of the page's symbols. What it says stands beside it as text.
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(space, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

export const $ = (id) => document.getElementById(id);

// setText changes an element's text only if it differs, so that a live region
// says nothing twice.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const numbers = new Intl.NumberFormat('en');

// count writes a number with its thousands apart.
export const count = (n) => numbers.format(n);

export function plural(n, what) {
  return n === 1 ? `1 ${what}` : `${count(n)} ${what}s`;
}

// announce says a text to who listens to the page.
export function announce(text) {
  $('announce').textContent = text;
}

// quote writes a text as a literal of the conditions' language.
export function quote(text) {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

const times = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

// when writes a time: today's without its date.
export function when(text) {
  const at = new Date(text);
  if (!text || Number.isNaN(at.getTime()) || at.getUTCFullYear() < 2000) return '';
  return (at.toDateString() === new Date().toDateString() ? times : dates).format(at);
}
