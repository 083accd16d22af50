// This module is the view of the doors: the summary, the search box, the list, and the
// selected doors. A search only changes what the list shows; an action is for the doors
// that the user has selected.

import { $, announce, count, h, icon, plural, setText } from './dom.js';
import { get } from './api.js';
import { List } from './list.js';
import { findDoors, isCondition } from './search.js';
import { countKinds, kinds } from './state.js';

const typingPause = 500; // pause after the last key before the hub checks a condition, because each check is a query
const wordsPause = 80; // pause after the last key before the list shows the doors that match the words
const movePause = 500; // minimum time between two new orders of the list, so that rows do not jump all the time

let doors = []; // all doors, sorted by place
let list = null;
let kind = kinds[0]; // the pressed button of the summary
let matches = () => true; // tells whether a door matches the text in the search box
let condition = ''; // the condition that the hub has checked; empty if the box has words, or nothing
let selectedBy = null; // the condition that selects the ticked doors, and their number; null if only their ids do

// startDoors creates the view. It calls onOpen with the id of a door that the user opens,
// and act with an action that the user chooses.
export function startDoors({ onOpen, act }) {
  list = new List($('list'), { onOpen, onSearch: setSearch, onTicksChanged: () => { selectedBy = null; showSelection(); } });
  $('summary').replaceChildren(...kinds.map((k) => h('button', {
    type: 'button', id: `kind-${k.name.replace(' ', '-')}`, class: `kind is-${k.tone}`, hidden: k.name !== 'all', onclick: () => setKind(k),
  }, k.icon && icon(k.icon), h('b', {}, '–'), k.text)));

  $('words').addEventListener('input', () => {
    clearTimeout(typingTimer);
    typingTimer = setTimeout(search, isCondition($('words').value.trim()) ? typingPause : wordsPause);
  });
  $('search').addEventListener('submit', (e) => { e.preventDefault(); search(); });
  $('clear').addEventListener('click', () => { setSearch(''); $('words').focus(); });
  $('select-all').addEventListener('click', selectAll);
  $('untick').addEventListener('click', () => { list.clearTicks(); $('list').focus(); });
  for (const action of ['lock', 'unlock', 'twin']) $(action).addEventListener('click', () => act(action, selection()));
}

export const findDoor = (id) => doors.find((d) => d.id === id);

// offlineCount returns the number of offline doors among the doors with the given ids.
export function offlineCount(ids) {
  const offline = new Set(doors.filter((d) => !d.connected).map((d) => d.id));
  return ids.filter((id) => offline.has(id)).length;
}

export const clearSelection = () => list.clearTicks();

// replaceDoors replaces the whole list of doors.
export function replaceDoors(all) {
  doors = all;
  $('list').setAttribute('aria-busy', 'false');
  render();
}

let moveTimer = 0;

// updateDoors updates the doors that have changed. A row changes at once. If a door must
// move to another place in the list, the list is built again a moment later.
export function updateDoors(changed) {
  const byId = new Map(changed.map((d) => [d.id, d]));
  const hasLeft = doors.some((d) => byId.has(d.id) && kind.is(d) !== kind.is(byId.get(d.id)));
  doors = doors.map((d) => byId.get(d.id) ?? d);

  const hasMoved = list.update(changed);
  if ((hasLeft || hasMoved) && !moveTimer) moveTimer = setTimeout(render, movePause);
  summarize();
}

// showUnreadable tells the user that the console cannot read the doors.
export function showUnreadable() {
  if (doors.length === 0) {
    $('list').replaceChildren(h('p', { class: 'empty' }, 'No doors to show, because the console cannot read from the hub.'));
  }
}

function render() {
  clearTimeout(moveTimer);
  moveTimer = 0;

  list.show(doors, (d) => kind.is(d) && matches(d));
  if (list.order.length === 0) {
    $('list').replaceChildren(doors.length === 0
      ? h('p', { class: 'empty' }, 'This hub has no devices yet. Create one with ', h('code', {}, 'latchctl device create ID'), '.')
      : h('p', { class: 'empty' }, 'No door matches. ', h('button', { type: 'button', onclick: () => { setSearch(''); setKind(kinds[0]); } }, 'Show all doors')));
  }

  $('keys').hidden = list.order.length === 0;
  summarize();
}

// summarize updates the numbers above the list.
function summarize() {
  const counts = countKinds(doors);
  for (const k of kinds) {
    const button = $(`kind-${k.name.replace(' ', '-')}`);
    setText(button.querySelector('b'), count(counts[k.name]));
    button.setAttribute('aria-pressed', String(k === kind));
    button.hidden = counts[k.name] === 0 && k.name !== 'all' && k !== kind;
  }

  const shown = list.order.length;
  setText($('count'), shown === doors.length ? plural(shown, 'door') : `${count(shown)} of ${plural(doors.length, 'door')}`);
  showSelection();
}

function setKind(k) {
  kind = k === kind ? kinds[0] : k;
  render();
  announce(`${plural(list.order.length, 'door')} shown`);
}

// The selected doors.

// showSelection shows which doors an action would be for.
function showSelection() {
  const n = list.ticks.size;
  const shown = list.order.length;
  const offline = n > 0 ? offlineCount([...list.ticks]) : 0;

  $('actions').hidden = n === 0;
  document.body.classList.toggle('with-actions', n > 0);
  setText($('target'), `${plural(n, 'door')} selected${offline > 0 ? `, ${count(offline)} offline` : ''}`);
  setText($('select-all'), shown === 1 ? 'Select this door' : `Select all ${count(shown)}`);
  $('select-all').hidden = shown === 0 || n === shown;
}

// selectAll selects all listed doors. If a condition selects exactly these doors, the job
// can use the condition instead of the ids.
function selectAll() {
  list.tick(list.order, true);
  const isWhole = kind === kinds[0] && (condition || $('words').value.trim() === '');
  if (isWhole) selectedBy = { where: condition || '*', size: list.ticks.size };
  announce($('target').textContent);
}

// selection returns the selected doors. It has the member where if a condition selects
// exactly these doors.
function selection() {
  const ids = [...list.ticks].sort();
  return selectedBy?.size === ids.length ? { ids, where: selectedBy.where } : { ids };
}

// The search box.

let typingTimer = 0;
let pendingCheck = null; // AbortController of the running check of a condition

function setSearch(text) {
  $('words').value = text;
  search();
}

// search shows the doors that match the text in the search box. The hub checks a
// condition. If the hub refuses the text as a condition, search looks for it as words.
async function search() {
  clearTimeout(typingTimer);
  pendingCheck?.abort();
  const text = $('words').value.trim();
  $('clear').hidden = text === '';
  if (!isCondition(text)) {
    setMatches(findDoors(text), '');
    return;
  }

  pendingCheck = new AbortController();
  const { signal } = pendingCheck;
  try {
    const ids = await checkCondition(text, signal);
    setMatches((d) => ids.has(d.id), text);
    announce(`${plural(ids.size, 'door')} ${ids.size === 1 ? 'matches' : 'match'} the condition`);
  } catch (err) {
    if (signal.aborted) return;
    const hasWords = findDoors(text);
    setMatches(doors.some(hasWords) ? hasWords : () => true, '', err.message);
  }
}

// recheck asks the hub again which doors match the condition in the search box. A failed
// check changes nothing.
export async function recheck() {
  const text = condition;
  if (!text) return;

  const signal = pendingCheck?.signal;
  const ids = await checkCondition(text, signal).catch(() => null);
  if (!ids || signal?.aborted || text !== condition) return;

  const isSame = doors.every((d) => ids.has(d.id) === matches(d));
  if (!isSame) setMatches((d) => ids.has(d.id), text);
}

async function checkCondition(where, signal) {
  const { ids } = await get(`/api/select?where=${encodeURIComponent(where)}`, signal);
  return new Set(ids);
}

function setMatches(isMatch, checked, error = '') {
  [matches, condition] = [isMatch, checked];

  setText($('words-fault'), error);
  $('words-fault').hidden = !error;
  $('words').setAttribute('aria-invalid', String(Boolean(error)));
  render();
}
