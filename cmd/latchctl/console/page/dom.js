// This module creates elements. All text becomes text nodes, so the browser never
// parses text from a device as markup.

// h creates an element. A property whose name begins with "on" becomes an event
// listener. Each other property becomes an attribute, unless its value is null,
// undefined or false.
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

// icon creates one of the page's symbols. Screen readers skip the symbol, so the text
// beside it must have the same meaning.
export function icon(name) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(namespace, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

export const $ = (id) => document.getElementById(id);

// setText sets the text of an element only if the text differs. A screen reader
// therefore does not read the same text twice.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const numbers = new Intl.NumberFormat('en');

// count formats a number with separators, such as "10,000".
export const count = (n) => numbers.format(n);

// plural formats a number with its noun, such as "1 door" or "10,000 doors".
export function plural(n, noun) {
  return n === 1 ? `1 ${noun}` : `${count(n)} ${noun}s`;
}

// announce makes screen readers read a text aloud.
export function announce(text) {
  $('announce').textContent = text;
}

// quote formats a text as a string literal for use in a condition.
export function quote(text) {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

const times = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dates = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dateMinutes = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });
const zonedMinutes = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short',
});

// format formats a time with the format today or, on another day, with the format
// otherwise. It returns "" for a missing time.
function format(text, today, otherwise) {
  const time = new Date(text);
  if (!text || Number.isNaN(time.getTime()) || time.getUTCFullYear() < 2000) return '';

  const isToday = time.toDateString() === new Date().toDateString();
  return (isToday ? today : otherwise).format(time);
}

// when formats a time with seconds, without the date if it is today.
export const when = (text) => format(text, times, dates);

// since formats a time without seconds, and without the date if it is today.
export const since = (text) => format(text, minutes, dateMinutes);

// zoned formats a time with the date and the time zone, for a question to the user.
export const zoned = (text) => format(text, zonedMinutes, zonedMinutes);
