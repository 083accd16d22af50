// This module shows the panel beside the list. It has one item: a door, a job or a
// rollout.

import { $, h, icon } from './dom.js';

let item = null; // kind and id of the item; null if the panel is closed
let previousFocus = null; // the element that had the focus before the panel opened

// setItem sets the kind (door, job or rollout) and the id of the panel's item.
export function setItem(kind, id) { item = { kind, id }; }

// itemId returns the id of the panel's item if it is of the given kind, else undefined.
export const itemId = (kind) => item?.kind === kind ? item.id : undefined;

export const isInPanel = (kind, id) => itemId(kind) === id;

export const isOpen = () => item !== null;

// openPanel shows the panel with a title and content. The panel's close button calls
// close.
export function openPanel(title, close, ...content) {
  const panel = $('panel');
  if (panel.hidden) previousFocus = document.activeElement;
  panel.hidden = false;
  document.body.classList.add('with-panel');
  panel.replaceChildren(
    h('div', { class: 'panel-head' }, h('h2', { id: 'panel-title' }, title),
      h('button', { type: 'button', class: 'quiet', onclick: close }, icon('close'), h('span', { class: 'unseen' }, 'Close'))),
    ...content.flat().filter(Boolean));
}

// closePanel hides the panel and restores the earlier focus.
export function closePanel() {
  item = null;
  if ($('panel').hidden) return;

  $('panel').hidden = true;
  $('panel').replaceChildren();
  document.body.classList.remove('with-panel');
  if (previousFocus?.isConnected) previousFocus.focus({ preventScroll: true });
  previousFocus = null;
}

// fact creates an entry of a definition list. It returns false if the entry has no
// value.
export const fact = (name, ...values) => {
  const shown = values.flat().filter(Boolean);
  return shown.length > 0 && [h('dt', {}, name), h('dd', {}, shown)];
};
