// Starts the page: keeps what it knows, and puts its parts together.

import { $, announce, count, h, icon, plural, quote, setText, when } from './dom.js';
import { enter, get, listen, post } from './api.js';
import { List } from './list.js';
import { kinds } from './state.js';
import { askLock, askTwin } from './ask.js';
import { readRollouts, showRollout } from './rollouts.js';
import { closePanel, doorFacts, openPanel, progress, jobContent, jobTitle, showJob, stateBadge } from './panel.js';

const typingPause = 500; // after the last key, before the hub is asked: each question counts
const jobsPause = 15000; // between two readings of the jobs, while they are looked at
const rolloutsPause = 2000; // the same of rollouts, which are files of this computer

let session = null;
let doors = []; // all, in order
let selected = null; // the ids that the condition selects; null: there is none
let checked = ''; // the condition that selected stands for
const jobs = new Map(); // those that the console follows
let list = null;
let opened = null; // what the panel shows: {door: id}, {job: id} or {rollout: id}

// Doors.

function take(all) {
  doors = all;
  $('list').setAttribute('aria-busy', 'false');
  render();
}

function merge(changed) {
  const now = new Map(changed.map((d) => [d.id, d]));
  doors = doors.map((d) => now.get(d.id) ?? d);
  list.update(changed);
  summarize();
  if (opened?.door && now.has(opened.door)) openDoor(opened.door, false);
}

function render() {
  list.show(doors, selected);
  if (list.order.length === 0) {
    $('list').replaceChildren(doors.length === 0
      ? h('p', { class: 'empty' }, 'This hub has no devices yet. ', h('code', {}, 'latchctl device create ID'), ' makes one.')
      : h('p', { class: 'empty' }, 'No door meets the condition.'));
  }
  $('keys').hidden = list.order.length === 0;
  summarize();
}

function summarize() {
  for (const kind of kinds) {
    const chip = $(`kind-${kind.name}`);
    const n = doors.filter(kind.is).length;
    setText(chip.querySelector('b'), count(n));
    chip.setAttribute('aria-pressed', String($('where').value.trim() === kind.where));
    chip.hidden = n === 0 && kind.name !== 'all' && chip.getAttribute('aria-pressed') === 'false';
  }
  const chosen = target();
  setText($('count'), !$('where').value.trim() ? plural(doors.length, 'door')
    : selected ? `${count(selected.size)} of ${plural(doors.length, 'door')}` : '');
  setText($('target'), list.ticks.size ? `${plural(list.ticks.size, 'door')} ticked${list.ticks.size >= session.maxTicks ? ', no more can be' : ''}`
    : chosen ? `${plural(chosen.ids.length, 'door')} by the condition` : 'Tick doors, or give a condition');
  $('untick').hidden = list.ticks.size === 0;
  for (const id of ['lock', 'unlock', 'twin']) $(id).disabled = !chosen || chosen.ids.length === 0;
}

// target is what the buttons are for: the ticked doors, else what the condition
// selects. Without either there is none.
function target() {
  if (list.ticks.size > 0) {
    const ids = [...list.ticks].sort();
    return { ids, where: `deviceId IN [${ids.map(quote).join(', ')}]` };
  }
  return selected ? { ids: [...selected], where: checked } : null;
}

// The condition.

let typing = 0;
let asking = null;

function setCondition(text) {
  $('where').value = text;
  choose();
}

// choose asks the hub which doors the condition selects.
async function choose(quiet = false) {
  clearTimeout(typing);
  asking?.abort();
  const where = $('where').value.trim();
  $('clear').hidden = where === '';
  if (where === '') {
    [selected, checked] = [null, ''];
    fault('');
    render();
    return;
  }
  asking = new AbortController();
  const { signal } = asking;
  try {
    const { ids } = await get(`/api/select?where=${encodeURIComponent(where)}`, signal);
    const same = quiet && checked === where && selected?.size === ids.length && ids.every((id) => selected.has(id));
    [selected, checked] = [new Set(ids), where];
    fault('');
    if (!same) {
      render();
      announce(`${plural(ids.length, 'door')} by the condition`);
    }
  } catch (err) {
    if (signal.aborted) return;
    [selected, checked] = [null, ''];
    fault(err.message);
    render();
  }
}

function fault(text) {
  setText($('where-fault'), text);
  $('where-fault').hidden = !text;
  $('where').setAttribute('aria-invalid', String(Boolean(text)));
}

// What is done.

const send = (wish) => post('/api/jobs', wish);

async function act(what, chosen = target()) {
  const created = what === 'twin' ? await askTwin({ chosen, send })
    : await askLock({ unlock: what === 'unlock', chosen, confirmAbove: session.confirmAbove, send });
  if (!created) return;
  list.untick();
  hear(created);
  go(`#jobs/${created.id}`);
}

// Jobs.

function hear(job) {
  jobs.set(job.id, job);
  const active = [...jobs.values()].filter((j) => !j.ended).length;
  setText($('active-jobs'), active ? String(active) : '');
  $('active-jobs').hidden = active === 0;
  $('active-jobs').setAttribute('aria-label', `${active} running`);
  const row = document.querySelector(`[data-job="${CSS.escape(job.id)}"]`);
  if (row) row.replaceWith(jobRow(job));
  if (opened?.job !== job.id) return;
  if (job.ended) showJob(job.id, home, (id) => openDoor(id), false);
  else openPanel(jobTitle(job), home, ...jobContent({ job, report: null }, openDoor));
}

function jobRow(job) {
  return h('li', { 'data-job': job.id },
    h('a', { href: `#jobs/${job.id}`, class: 'name', 'aria-current': opened?.job === job.id && 'true' }, jobTitle(job)),
    stateBadge(job), h('span', { class: 'where' }, h('code', {}, job.where)), h('span', { class: 'time' }, when(job.start ?? job.created)),
    !job.ended && progress(job));
}

async function readJobs() {
  try {
    const all = await get('/api/jobs');
    for (const job of all) {
      const known = jobs.get(job.id);
      if (known && (known.verdict || !known.ended)) Object.assign(job, { verdict: known.verdict, ended: known.ended });
    }
    $('jobs').replaceChildren(all.length ? h('ul', { class: 'jobs' }, all.map(jobRow))
      : h('p', { class: 'empty' }, 'There are no jobs yet. Lock or unlock doors, and they are here.'));
  } catch (err) {
    $('jobs').replaceChildren(h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// The panel.

async function openDoor(id, fresh = true) {
  const door = doors.find((d) => d.id === id);
  if (!door) return;
  opened = { door: id };
  const buttons = h('div', { class: 'buttons' }, ['lock', 'unlock', 'twin'].map((what) => h('button', {
    type: 'button', class: what === 'lock' ? 'primary' : null,
    onclick: () => act(what, { ids: [id], where: `deviceId = ${quote(id)}` }),
  }, what === 'twin' ? 'Change twin…' : [icon(`${what}ed`), what === 'lock' ? 'Lock' : 'Unlock…'])));
  const show = (twin, ...more) => openPanel(id, home, buttons, ...doorFacts(door, twin), ...more);
  if (fresh) {
    show(null, h('p', { class: 'loading' }, 'Reading the twin…'));
    $('panel').focus();
  }
  try {
    const twin = await get(`/api/door?id=${encodeURIComponent(id)}`);
    if (opened?.door === id) show(twin);
  } catch (err) {
    if (opened?.door === id) show(null, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

function home() {
  opened = null;
  closePanel();
  const [view, id] = location.hash.split('/');
  if (!id) return;
  history.pushState(null, '', view);
  for (const link of document.querySelectorAll('.jobs [aria-current]')) link.removeAttribute('aria-current');
}

// Where one is: #doors, #jobs, #rollouts, or with an id, as #jobs/ID.

const views = { doors: 'Doors', jobs: 'Jobs', rollouts: 'Rollouts' };

const viewed = (name) => !$(`view-${name}`).hidden && document.visibilityState === 'visible';

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

function route() {
  if (location.hash === '#list') return; // the skip link
  const [asked, id] = location.hash.slice(1).split('/');
  const view = views[asked] ? asked : 'doors';
  for (const name of Object.keys(views)) {
    $(`view-${name}`).hidden = name !== view;
    if (name === view) $(`nav-${name}`).setAttribute('aria-current', 'page');
    else $(`nav-${name}`).removeAttribute('aria-current');
  }
  document.title = `${views[view]} – latchctl console`;
  if (id && view === 'jobs') {
    opened = { job: id };
    showJob(id, home, (door) => openDoor(door));
  } else if (id && view === 'rollouts') {
    opened = { rollout: id };
    showRollout(id, home, (door) => openDoor(door), true);
  } else {
    opened = null;
    closePanel();
  }
  if (view === 'jobs') readJobs();
  if (view === 'rollouts') readRollouts(id);
}

// How fresh it is.

function fresh(status) {
  const text = status.readAt ? `${status.live ? 'Live, as' : 'As'} of ${when(status.readAt)}${status.live ? '' : `, read every ${status.every} s`}` : '';
  setText($('freshness'), text);
  $('freshness').classList.toggle('is-live', status.live);
  trouble(status.error ? `The hub cannot be read: ${status.error}. Trying again in ${status.every} s.` : '');
  if (doors.length === 0 && status.error) $('list').replaceChildren(h('p', { class: 'empty' }, 'The doors are not known: the hub cannot be read.'));
}

function trouble(text) {
  setText($('trouble'), text);
  $('trouble').hidden = !text;
  document.body.classList.toggle('stale', Boolean(text));
}

async function start() {
  try {
    session = await enter();
  } catch (err) {
    trouble(err.message);
    return;
  }
  setText($('hub'), session.hub);
  list = new List($('list'), {
    maxTicks: session.maxTicks, open: (id) => openDoor(id), filter: setCondition, ticked: () => { if (list) summarize(); },
  });
  $('summary').replaceChildren(...kinds.map((kind) => h('button', {
    type: 'button', id: `kind-${kind.name}`, class: `kind is-${kind.name}`, 'aria-pressed': 'false', hidden: kind.name !== 'all',
    onclick: () => setCondition(kind.where),
  }, kind.icon && icon(kind.icon), h('b', {}, '–'), kind.text)));
  $('where').addEventListener('input', () => {
    clearTimeout(typing);
    [selected, checked] = [null, '']; // nothing is done by a condition that is not checked
    summarize();
    typing = setTimeout(choose, typingPause);
  });
  $('search').addEventListener('submit', (e) => { e.preventDefault(); choose(); });
  $('clear').addEventListener('click', () => { setCondition(''); $('where').focus(); });
  $('refresh').addEventListener('click', () => post('/api/refresh', {}).catch((err) => trouble(err.message)));
  $('untick').addEventListener('click', () => { list.untick(); $('list').focus(); });
  for (const what of ['lock', 'unlock', 'twin']) $(what).addEventListener('click', () => act(what));
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape' && opened && !$('ask').open) home(); });
  window.addEventListener('hashchange', route);
  route();
  listen({
    doors: take,
    changes: merge,
    status: (status) => {
      fresh(status);
      if (checked && !status.error) choose(true);
    },
    job: hear,
    lost: () => trouble('The console does not answer: has latchctl console ended? Trying again.'),
    over: () => trouble('This session is over: open the address that latchctl console has printed.'),
  });
  setInterval(() => { if (viewed('jobs')) readJobs(); }, jobsPause);
  setInterval(() => {
    if (!viewed('rollouts')) return;
    readRollouts(opened?.rollout);
    if (opened?.rollout) showRollout(opened.rollout, home, (door) => openDoor(door), false);
  }, rolloutsPause);
}

start();
