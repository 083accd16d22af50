// This module starts the page, holds the page's state and connects its parts.

import { $, announce, count, h, icon, plural, quote, setText, when } from './dom.js';
import { get, listen, openSession, post } from './api.js';
import { List } from './list.js';
import { kinds } from './state.js';
import { confirmLock, confirmTwin } from './ask.js';
import { readRollouts, showRollout } from './rollouts.js';
import { closePanel, doorFacts, openPanel, progress, jobContent, jobTitle, showJob, stateBadge } from './panel.js';

const typingPause = 500; // pause after the last key before the hub checks the condition, because each check is a query
const jobsPause = 15000; // pause between two reads of the visible list of jobs
const rolloutsPause = 2000; // pause between two reads of the visible rollouts, which are local files

let session = null;
let doors = []; // all doors, sorted
let matches = null; // ids of the doors that match the condition; null if no condition has been checked
let checkedCondition = ''; // the condition that matches belongs to
const jobs = new Map(); // jobs that the console follows, by id
let list = null;
let panelItem = null; // item in the panel: {door: id}, {job: id} or {rollout: id}; null if the panel is closed

// Doors.

// replaceDoors replaces the whole list of doors.
function replaceDoors(all) {
  doors = all;
  $('list').setAttribute('aria-busy', 'false');
  render();
}

// updateDoors updates the doors that have changed. Their places in the list stay the
// same.
function updateDoors(changed) {
  const byId = new Map(changed.map((d) => [d.id, d]));
  doors = doors.map((d) => byId.get(d.id) ?? d);
  list.update(changed);
  summarize();
  if (panelItem?.door && byId.has(panelItem.door)) openDoor(panelItem.door, false);
}

function render() {
  list.show(doors, matches);
  if (list.order.length === 0) {
    $('list').replaceChildren(doors.length === 0
      ? h('p', { class: 'empty' }, 'This hub has no devices yet. Create one with ', h('code', {}, 'latchctl device create ID'), '.')
      : h('p', { class: 'empty' }, 'No door matches the condition.'));
  }

  $('keys').hidden = list.order.length === 0;
  summarize();
}

// summarize updates the counts above the list of doors, and enables or disables the
// buttons.
function summarize() {
  const where = $('where').value.trim();
  for (const kind of kinds) {
    const button = $(`kind-${kind.name}`);
    const n = doors.filter(kind.is).length;
    setText(button.querySelector('b'), count(n));
    button.setAttribute('aria-pressed', String(where === kind.where));
    button.hidden = n === 0 && kind.name !== 'all' && where !== kind.where;
  }

  let countText = '';
  if (where === '') countText = plural(doors.length, 'door');
  else if (matches) countText = `${count(matches.size)} of ${plural(doors.length, 'door')}`;
  setText($('count'), countText);

  const target = currentTarget();
  let targetText = 'Select doors, or enter a condition';
  if (list.ticks.size > 0) {
    targetText = `${plural(list.ticks.size, 'door')} selected${list.ticks.size >= session.maxTicks ? ' (maximum)' : ''}`;
  } else if (target) {
    targetText = matchText(target.ids.length);
  }
  setText($('target'), targetText);
  $('untick').hidden = list.ticks.size === 0;
  for (const id of ['lock', 'unlock', 'twin']) $(id).disabled = !target || target.ids.length === 0;
}

const matchText = (n) => `${plural(n, 'door')} ${n === 1 ? 'matches' : 'match'} the condition`;

// currentTarget returns the doors that a button acts on: the ticked doors, else the
// doors that match the condition. It returns null if no door is ticked and no condition
// has been checked.
function currentTarget() {
  if (list.ticks.size > 0) {
    const ids = [...list.ticks].sort();
    return { ids, where: `deviceId IN [${ids.map(quote).join(', ')}]` };
  }
  return matches ? { ids: [...matches], where: checkedCondition } : null;
}

// The condition.

let typingTimer = 0;
let pendingCheck = null; // AbortController of the running check of the condition

function setCondition(text) {
  $('where').value = text;
  checkCondition();
}

function setMatches(ids, condition) {
  matches = ids;
  checkedCondition = condition;
}

// checkCondition asks the hub which doors match the condition. It redraws the list only
// if the result has changed.
async function checkCondition(isRepeated = false) {
  clearTimeout(typingTimer);
  pendingCheck?.abort();
  const where = $('where').value.trim();
  $('clear').hidden = where === '';
  if (where === '') {
    setMatches(null, '');
    showConditionError('');
    render();
    return;
  }

  pendingCheck = new AbortController();
  const { signal } = pendingCheck;
  try {
    const { ids } = await get(`/api/select?where=${encodeURIComponent(where)}`, signal);
    const isSame = isRepeated && checkedCondition === where && matches?.size === ids.length && ids.every((id) => matches.has(id));
    setMatches(new Set(ids), where);
    showConditionError('');
    if (!isSame) {
      render();
      announce(matchText(ids.length));
    }
  } catch (err) {
    if (signal.aborted) return;
    setMatches(null, '');
    showConditionError(err.message);
    render();
  }
}

function showConditionError(text) {
  setText($('where-fault'), text);
  $('where-fault').hidden = !text;
  $('where').setAttribute('aria-invalid', String(Boolean(text)));
}

// Actions.

const send = (jobRequest) => post('/api/jobs', jobRequest);

// act asks the user for confirmation, creates a job and shows the job. The action is
// lock, unlock or twin.
async function act(action, target = currentTarget()) {
  const created = action === 'twin' ? await confirmTwin({ target, send })
    : await confirmLock({ unlock: action === 'unlock', target, confirmAbove: session.confirmAbove, send });
  if (!created) return;

  list.clearTicks();
  updateJob(created);
  go(`#jobs/${created.id}`);
}

// Jobs.

// updateJob shows the new state of a job in every place where the page shows the job.
function updateJob(job) {
  jobs.set(job.id, job);
  const active = [...jobs.values()].filter((j) => !j.ended).length;
  setText($('active-jobs'), active ? String(active) : '');
  $('active-jobs').hidden = active === 0;
  $('active-jobs').setAttribute('aria-label', `${active} running`);

  const row = document.querySelector(`[data-job="${CSS.escape(job.id)}"]`);
  if (row) row.replaceWith(jobRow(job));

  if (panelItem?.job !== job.id) return;
  if (job.ended) showJob(job.id, closeItem, (id) => openDoor(id), false);
  else openPanel(jobTitle(job), closeItem, ...jobContent({ job, report: null }, openDoor));
}

function jobRow(job) {
  return h('li', { 'data-job': job.id },
    h('a', { href: `#jobs/${job.id}`, class: 'name', 'aria-current': panelItem?.job === job.id && 'true' }, jobTitle(job)),
    stateBadge(job), h('span', { class: 'where' }, h('code', {}, job.where)), h('span', { class: 'time' }, when(job.start ?? job.created)),
    !job.ended && progress(job));
}

async function readJobs() {
  try {
    const all = await get('/api/jobs');
    for (const job of all) {
      const followed = jobs.get(job.id);
      if (followed && (followed.verdict || !followed.ended)) Object.assign(job, { verdict: followed.verdict, ended: followed.ended });
    }
    $('jobs').replaceChildren(all.length ? h('ul', { class: 'jobs' }, all.map(jobRow))
      : h('p', { class: 'empty' }, 'No jobs yet. A job appears here when you lock or unlock doors.'));
  } catch (err) {
    $('jobs').replaceChildren(h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// The panel.

const buttonTexts = { lock: 'Lock', unlock: 'Unlock…', twin: 'Change twin…' };

// openDoor shows a door in the panel. isNew is true if the user has just opened the
// door.
async function openDoor(id, isNew = true) {
  const door = doors.find((d) => d.id === id);
  if (!door) return;

  panelItem = { door: id };
  const target = { ids: [id], where: `deviceId = ${quote(id)}` };
  const buttons = h('div', { class: 'buttons' }, Object.keys(buttonTexts).map((action) => h('button', {
    type: 'button', class: action === 'lock' ? 'primary' : null, onclick: () => act(action, target),
  }, action !== 'twin' && icon(`${action}ed`), buttonTexts[action])));
  const show = (twin, ...more) => openPanel(id, closeItem, buttons, ...doorFacts(door, twin), ...more);
  if (isNew) {
    show(null, h('p', { class: 'loading' }, 'Loading twin…'));
    $('panel').focus();
  }

  try {
    const twin = await get(`/api/door?id=${encodeURIComponent(id)}`);
    if (panelItem?.door === id) show(twin);
  } catch (err) {
    if (panelItem?.door === id) show(null, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// closeItem closes the panel and removes the item's id from the address.
function closeItem() {
  panelItem = null;
  closePanel();

  const [view, id] = location.hash.split('/');
  if (!id) return;
  history.pushState(null, '', view);
  for (const link of document.querySelectorAll('.jobs [aria-current]')) link.removeAttribute('aria-current');
}

// Navigation. The hash in the page's address names a view and perhaps an item, such as
// #doors or #jobs/ID.

const views = { doors: 'Doors', jobs: 'Jobs', rollouts: 'Rollouts' };

const isVisible = (view) => !$(`view-${view}`).hidden && document.visibilityState === 'visible';

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

// route shows the view and the item that the hash in the page's address names.
function route() {
  if (location.hash === '#list') return; // target of the skip link

  const [name, id] = location.hash.slice(1).split('/');
  const view = views[name] ? name : 'doors';
  for (const v of Object.keys(views)) {
    $(`view-${v}`).hidden = v !== view;
    if (v === view) $(`nav-${v}`).setAttribute('aria-current', 'page');
    else $(`nav-${v}`).removeAttribute('aria-current');
  }
  document.title = `${views[view]} – latchctl console`;

  if (id && view === 'jobs') {
    panelItem = { job: id };
    showJob(id, closeItem, (door) => openDoor(door));
  } else if (id && view === 'rollouts') {
    panelItem = { rollout: id };
    showRollout(id, closeItem, (door) => openDoor(door), true);
  } else {
    panelItem = null;
    closePanel();
  }

  if (view === 'jobs') readJobs();
  if (view === 'rollouts') readRollouts(id);
}

// Freshness of the list.

function showStatus(status) {
  let text = '';
  if (status.readAt && status.live) text = `Live, updated ${when(status.readAt)}`;
  else if (status.readAt) text = `Updated ${when(status.readAt)}, every ${status.every} s`;
  setText($('freshness'), text);
  $('freshness').classList.toggle('is-live', status.live);

  showTrouble(status.error ? `Cannot read from the hub: ${status.error}. Retrying in ${status.every} s.` : '');
  if (doors.length === 0 && status.error) {
    $('list').replaceChildren(h('p', { class: 'empty' }, 'No doors to show, because the console cannot read from the hub.'));
  }
}

function showTrouble(text) {
  setText($('trouble'), text);
  $('trouble').hidden = !text;
  document.body.classList.toggle('stale', Boolean(text));
}

function addListeners() {
  $('where').addEventListener('input', () => {
    clearTimeout(typingTimer);
    setMatches(null, ''); // a condition that the hub has not checked must not select doors for an action
    summarize();
    typingTimer = setTimeout(checkCondition, typingPause);
  });
  $('search').addEventListener('submit', (e) => { e.preventDefault(); checkCondition(); });
  $('clear').addEventListener('click', () => { setCondition(''); $('where').focus(); });
  $('refresh').addEventListener('click', () => post('/api/refresh', {}).catch((err) => showTrouble(err.message)));
  $('untick').addEventListener('click', () => { list.clearTicks(); $('list').focus(); });
  for (const action of ['lock', 'unlock', 'twin']) $(action).addEventListener('click', () => act(action));
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape' && panelItem && !$('ask').open) closeItem(); });
  window.addEventListener('hashchange', route);
}

async function start() {
  try {
    session = await openSession();
  } catch (err) {
    showTrouble(err.message);
    return;
  }

  setText($('hub'), session.hub);
  list = new List($('list'), {
    maxTicks: session.maxTicks, onOpen: (id) => openDoor(id), onFilter: setCondition, onTicksChanged: summarize,
  });
  $('summary').replaceChildren(...kinds.map((kind) => h('button', {
    type: 'button', id: `kind-${kind.name}`, class: `kind is-${kind.name}`, 'aria-pressed': 'false', hidden: kind.name !== 'all',
    onclick: () => setCondition(kind.where),
  }, kind.icon && icon(kind.icon), h('b', {}, '–'), kind.text)));
  addListeners();
  route();

  listen({
    doors: replaceDoors,
    changes: updateDoors,
    status: (status) => {
      showStatus(status);
      if (checkedCondition && !status.error) checkCondition(true);
    },
    job: updateJob,
  }, {
    onLost: () => showTrouble('Cannot reach the console. Is latchctl console still running? Retrying.'),
    onEnded: () => showTrouble('This session has ended. Open the address that latchctl console printed.'),
  });

  setInterval(() => { if (isVisible('jobs')) readJobs(); }, jobsPause);
  setInterval(() => {
    if (!isVisible('rollouts')) return;
    readRollouts(panelItem?.rollout);
    if (panelItem?.rollout) showRollout(panelItem.rollout, closeItem, (door) => openDoor(door), false);
  }, rolloutsPause);
}

start();
