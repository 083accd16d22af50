// This module starts the page and connects its parts: the views, the panel, the actions,
// and the console's events.

import { $, setText, when } from './dom.js';
import { get, listen, openSession, post } from './api.js';
import { clearSelection, findDoor, offlineCount, recheck, replaceDoors, showUnreadable, startDoors, updateDoors } from './doors.js';
import { showDoor } from './door.js';
import { confirmCancel, confirmLock, confirmResume, confirmRetry, confirmTwin } from './ask.js';
import { jobTitle, readJobs, showJob, startJobs, updateJob } from './jobs.js';
import { readRollouts, rolloutTitle, showRollout } from './rollouts.js';
import { closePanel, isOpen, itemId, setItem } from './panel.js';

const jobsPause = 15000; // pause between two reads of the visible list of jobs
const rolloutsPause = 2000; // pause between two reads of the visible rollouts, which are local files

let session = null;

// Actions.

// act asks the user for confirmation, creates jobs and shows them. The action is lock,
// unlock or twin. target has the ids of the doors.
async function act(action, target) {
  const question = {
    target: { ...target, offline: offlineCount(target.ids) }, hub: session.hub, confirmAbove: session.confirmAbove,
    send: (jobRequest) => post('/api/jobs', jobRequest),
  };
  const created = action === 'twin' ? await confirmTwin(question) : await confirmLock({ ...question, unlock: action === 'unlock' });
  if (created) showCreated(created);
}

// showCreated shows new jobs.
function showCreated({ jobs }) {
  clearSelection();
  for (const job of jobs) updateJob(job);
  go(jobs.length === 1 ? `#jobs/${jobs[0].id}` : '#jobs');
}

// cancel asks the user for confirmation and cancels a scheduled job.
async function cancel(job) {
  const changed = await confirmCancel({ job, hub: session.hub, send: () => post(`/api/jobs/${encodeURIComponent(job.id)}/cancel`, {}) });
  if (!changed) return;

  updateJob(changed);
  readJobs();
}

// retry asks the user for confirmation and repeats a job on the doors on which it failed.
async function retry(job) {
  const path = `/api/jobs/${encodeURIComponent(job.id)}`;
  try {
    const { ids } = await get(`${path}/failed`);
    const created = await confirmRetry({
      job, title: jobTitle(job, ids.length), target: { ids, offline: offlineCount(ids) }, hub: session.hub, confirmAbove: session.confirmAbove,
      send: (confirmed) => post(`${path}/retry`, confirmed),
    });
    if (created) showCreated(created);
  } catch (err) {
    showNotice(err.message);
  }
}

// resume asks the user for confirmation and resumes a rollout. It calls the doors in ids
// and leaves out the doors in skip.
async function resume(rollout, { ids, skip }) {
  const resumed = await confirmResume({
    rollout, title: rolloutTitle(rollout), skip, target: { ids, offline: offlineCount(ids) }, hub: session.hub, confirmAbove: session.confirmAbove,
    send: () => post(`/api/rollouts/${encodeURIComponent(rollout.id)}/resume`, { ids, skip }),
  });
  if (!resumed) return;

  openRollout(rollout.id, false);
  readRollouts(rollout.id);
}

function openRollout(id, moveFocus) {
  setItem('rollout', id);
  showRollout(id, { close: closeItem, openDoor, resume, moveFocus });
}

// showNotice shows why the last action did not do all that it should, above the jobs. An
// empty text removes the notice.
function showNotice(text) {
  setText($('notice'), text);
  $('notice').hidden = !text;
}

// The panel.

function openDoor(id, isNew = true) {
  const door = findDoor(id);
  if (door) showDoor(door, { close: closeItem, act, isNew });
}

// closeItem closes the panel and removes the item's id from the address.
function closeItem() {
  closePanel();

  const [view, id] = location.hash.split('/');
  if (!id) return;
  history.pushState(null, '', view);
  for (const link of document.querySelectorAll('.jobs [aria-current]')) link.removeAttribute('aria-current');
}

// Navigation. The hash in the page's address names a view and perhaps an item, such as
// #doors or #jobs/ID.

const views = { doors: 'Doors', jobs: 'Jobs', rollouts: 'Rollouts' };
const tops = {}; // distance that each view was scrolled when the user left it

const isVisible = (view) => !$(`view-${view}`).hidden && document.visibilityState === 'visible';

function go(hash) {
  if (location.hash === hash) route();
  else location.hash = hash;
}

// showView shows a view at the place to which the user had scrolled it.
function showView(view) {
  const previous = Object.keys(views).find((v) => !$(`view-${v}`).hidden);
  if (previous !== view) tops[previous] = window.scrollY;

  for (const v of Object.keys(views)) {
    $(`view-${v}`).hidden = v !== view;
    if (v === view) $(`nav-${v}`).setAttribute('aria-current', 'page');
    else $(`nav-${v}`).removeAttribute('aria-current');
  }
  document.title = `${views[view]} – ${session.hub} – latchctl console`;
  if (previous !== view) window.scrollTo(0, view === 'doors' ? tops.doors ?? 0 : 0);
}

// route shows the view and the item that the hash in the page's address names.
function route() {
  if (location.hash === '#list') return; // target of the skip link

  const [name, id] = location.hash.slice(1).split('/');
  const view = views[name] ? name : 'doors';
  showView(view);

  if (id && view === 'jobs') {
    setItem('job', id);
    showJob(id);
  } else if (id && view === 'rollouts') {
    openRollout(id, true);
  } else {
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
  document.body.classList.toggle('stale', Boolean(status.error));
  if (status.error) showUnreadable();
  else recheck();
}

function showTrouble(text) {
  setText($('trouble'), text);
  $('trouble').hidden = !text;
}

function showLost(text) {
  showTrouble(text);
  document.body.classList.add('stale');
}

async function start() {
  try {
    session = await openSession();
  } catch (err) {
    showTrouble(err.message);
    return;
  }

  setText($('hub'), session.hub);
  startDoors({ onOpen: (id) => openDoor(id), act });
  startJobs(session.hub, { close: closeItem, openDoor, cancel, retry });
  $('refresh').addEventListener('click', () => post('/api/refresh', {}).catch((err) => showTrouble(err.message)));
  document.addEventListener('keydown', (e) => { if (e.key === 'Escape' && isOpen() && !$('ask').open) closeItem(); });
  window.addEventListener('hashchange', route);
  history.scrollRestoration = 'manual';
  route();

  listen({
    doors: replaceDoors,
    changes: (changed) => {
      updateDoors(changed);
      const id = itemId('door');
      if (changed.some((d) => d.id === id)) openDoor(id, false);
    },
    status: showStatus,
    job: updateJob,
    notice: showNotice,
  }, {
    onLost: () => showLost('Cannot reach the console. Is latchctl console still running? Retrying.'),
    onEnded: () => showLost('This session has ended. Open the address that latchctl console printed.'),
  });

  setInterval(() => { if (isVisible('jobs')) readJobs(); }, jobsPause);
  setInterval(() => {
    if (!isVisible('rollouts')) return;
    readRollouts(itemId('rollout'));
    if (itemId('rollout')) openRollout(itemId('rollout'), false);
  }, rolloutsPause);
}

start();
