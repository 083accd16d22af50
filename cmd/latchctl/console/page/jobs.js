// This module shows jobs: the list of jobs, and one job with its results in the panel.

import { $, announce, count, h, icon, plural, when, zoned } from './dom.js';
import { get } from './api.js';
import { fact, isInPanel, itemId, openPanel } from './panel.js';

const jobs = new Map(); // jobs that the console follows, by id
let hub = ''; // what the user calls the hub
let actions = {}; // functions for the buttons: close, openDoor, cancel, retry

// startJobs sets the name of the hub, and what the buttons of a job do: close(),
// openDoor(id), cancel(job) and retry(job).
export function startJobs(name, functions) {
  [hub, actions] = [name, functions];
}

// jobState returns a word for the state of a job, and the tone of the job's badge.
export function jobState(job) {
  const v = job.verdict;
  if (v && job.status === 'completed') {
    if (v.devices === 0) return { word: 'No doors', tone: 'warn' };
    const pending = v.pending ?? 0;
    const failed = v.devices - v.succeeded - pending;
    const pendingText = `${count(pending)} pending`;
    if (failed > 0) return { word: pending > 0 ? `${count(failed)} failed, ${pendingText}` : `${count(failed)} failed`, tone: 'bad' };
    return pending > 0 ? { word: pendingText, tone: 'warn' } : { word: 'Succeeded', tone: 'good' };
  }

  switch (job.status) {
    case 'completed': return job.ended ? reached(job.counts) : { word: 'Reading results', tone: 'busy' };
    case 'failed': return { word: 'Failed', tone: 'bad' };
    case 'cancelled': return { word: job.counts?.devices ? 'Cancelled' : 'Cancelled before its start', tone: 'warn' };
    case 'scheduled': return { word: 'Scheduled', tone: 'plain' };
    default: return { word: job.status[0].toUpperCase() + job.status.slice(1), tone: 'busy' };
  }
}

// reached describes a job of which the console has read only the hub's counts. They do
// not tell whether a door obeyed: the hub counts a refusal like a success.
function reached({ answered = 0, failed = 0 } = {}) {
  return { word: failed > 0 ? `${count(answered)} reached, ${count(failed)} not` : `${count(answered)} reached`, tone: 'plain' };
}

// jobTitle describes a job on n doors in one phrase, such as "Lock 3 doors".
export function jobTitle(job, n = job.verdict?.devices ?? job.counts?.devices ?? 0) {
  if (n === 0) return job.what;
  if (job.what === 'Change twins') return `Change ${n === 1 ? 'the twin' : 'the twins'} of ${plural(n, 'door')}`;
  return job.what.startsWith('Call ') ? `${job.what} on ${plural(n, 'door')}` : `${job.what} ${plural(n, 'door')}`;
}

// panelTitle describes a job, and names the hub.
const panelTitle = (job) => `${jobTitle(job)} on ${hub}`;

// stateBadge creates the badge with the state of a job.
function stateBadge(job) {
  const s = jobState(job);
  const icons = { good: 'done', bad: 'jammed', warn: 'unknown', busy: 'moving' };
  return h('span', { class: `badge is-${s.tone}` }, icons[s.tone] && icon(icons[s.tone]), s.word);
}

const isWaiting = (job) => job.status === 'scheduled';

// progress shows the progress of a job as a bar and in words.
function progress(job) {
  const c = job.counts ?? { devices: 0, answered: 0, failed: 0, running: 0, pending: 0 };
  const done = c.answered + c.failed;

  const words = [`${count(done)} of ${plural(c.devices, 'door')} done`, c.running > 0 && `${count(c.running)} running`,
    c.pending > 0 && `${count(c.pending)} waiting`, c.failed > 0 && `${count(c.failed)} not reached`].filter(Boolean).join(', ');
  return h('div', { class: 'progress' },
    h('progress', { max: c.devices || 1, value: job.ended ? c.devices || 1 : done, 'aria-label': 'Progress' }), h('p', {}, words));
}

// The list of jobs.

// updateJob shows the new state of a job in every place where the page shows the job.
export function updateJob(job) {
  const isNew = !jobs.has(job.id);
  jobs.set(job.id, job);
  const active = [...jobs.values()].filter((j) => !j.ended && !isWaiting(j)).length;
  $('active-jobs').textContent = active ? `${active} running` : '';
  $('active-jobs').hidden = active === 0;

  const row = document.querySelector(`[data-job="${CSS.escape(job.id)}"]`);
  if (row) row.replaceWith(jobRow(job));
  else if (isNew && !job.ended && !$('view-jobs').hidden) readJobs();

  if (!isInPanel('job', job.id)) return;
  if (job.ended) showJob(job.id, false);
  else openPanel(panelTitle(job), actions.close, ...jobContent({ job, report: null }));
}

function jobRow(job) {
  const time = isWaiting(job) ? `starts ${when(job.start)}` : when(job.start ?? job.created);
  return h('li', { 'data-job': job.id },
    h('a', { href: `#jobs/${job.id}`, class: 'name', 'aria-current': isInPanel('job', job.id) && 'true' }, jobTitle(job)),
    stateBadge(job), h('span', { class: 'where' }, h('code', {}, job.where)), h('span', { class: 'time' }, time),
    !job.ended && !isWaiting(job) && progress(job));
}

let shownJobs = ''; // the last answer that the list shows, as JSON

// readJobs reads the list of jobs again. An unchanged answer leaves the list alone, so
// that a link keeps the focus.
export async function readJobs() {
  try {
    const all = await get('/api/jobs');
    const text = JSON.stringify([all, itemId('job')]);
    if (text === shownJobs) return;
    shownJobs = text;

    for (const job of all) {
      const followed = jobs.get(job.id);
      if (followed && (followed.verdict || !followed.ended)) Object.assign(job, { verdict: followed.verdict, ended: followed.ended });
    }
    $('jobs').replaceChildren(all.length ? h('ul', { class: 'jobs' }, all.map(jobRow))
      : h('p', { class: 'empty' }, 'No jobs yet. A job appears here when you lock or unlock doors.'));
  } catch (err) {
    shownJobs = '';
    $('jobs').replaceChildren(h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// One job in the panel.

const shownRows = 200; // number of results that the panel shows before the user presses "Show all"

// jobContent shows a job. Once the job has ended, it also shows the result of each
// device.
function jobContent({ job, report }) {
  const parts = [h('p', {}, stateBadge(job), job.reason && ` ${job.reason}`)];
  if (isWaiting(job)) {
    parts.push(h('p', {}, `Starts ${zoned(job.start)}.`),
      h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => actions.cancel(job) }, 'Cancel this job…')));
  } else if (!job.ended) {
    parts.push(progress(job));
  }
  if (job.note) parts.push(h('p', { class: 'fault' }, job.note));

  if (report && job.ended && job.verdict?.devices > 0) {
    const { summary, devices, advice } = report;
    const pending = summary.byResult.pending ?? 0;
    parts.push(h('p', { class: 'result' }, h('b', {}, `${count(summary.succeeded)} succeeded`),
      `, ${count(summary.failed - pending)} failed${pending > 0 ? `, ${count(pending)} pending` : ''}, of ${plural(summary.devices, 'door')}`));
    const again = summary.failed - pending;
    if (again > 0) {
      parts.push(h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => actions.retry(job) },
        icon('refresh'), `Retry ${again === 1 ? 'the failed door' : `the ${count(again)} failed doors`}…`)));
    }
    if (advice?.length) parts.push(h('ul', { class: 'advice' }, advice.map((line) => h('li', {}, line))));

    const [failed, succeeded] = [devices.filter((d) => d.result !== 'succeeded'), devices.filter((d) => d.result === 'succeeded')];
    parts.push(results([...failed, ...succeeded]));
  }

  return [...parts, h('dl', {}, fact('Started', !isWaiting(job) && when(job.start ?? job.created)), fact('Ended', when(job.end)),
    fact('Condition', h('code', {}, job.where)), fact('Job', h('code', {}, job.id)))];
}

// resultBadge creates the badge with the result of a device. A pending device acts
// later: for example, an open door locks when somebody closes it.
export function resultBadge(result) {
  const [tone, symbol] = { succeeded: ['good', 'done'], pending: ['warn', 'moving'] }[result] ?? ['bad', 'jammed'];
  return h('span', { class: `badge is-${tone}` }, icon(symbol), result);
}

// results lists the devices of a job in the given order.
function results(devices) {
  const row = (d) => h('li', {}, h('button', { type: 'button', class: 'name', onclick: () => actions.openDoor(d.deviceId) }, d.deviceId),
    resultBadge(d.result), h('span', { class: 'reason' }, d.reason ?? ''));

  const list = h('ul', { class: 'results', 'aria-label': 'Results, failed and pending doors first' });
  list.append(...devices.slice(0, shownRows).map(row));
  if (devices.length <= shownRows) return list;

  const more = h('button', { type: 'button', onclick: () => { list.append(...devices.slice(shownRows).map(row)); more.remove(); } },
    `Show all ${count(devices.length)}`);
  return h('div', {}, list, more);
}

// showJob loads a job and shows it. isNew is true if the user has just opened the job.
export async function showJob(id, isNew = true) {
  if (isNew) {
    openPanel('Job', actions.close, h('p', { class: 'loading' }, 'Loading job…'));
    $('panel').focus();
  }

  try {
    const shown = await get(`/api/jobs/${encodeURIComponent(id)}`);
    if (!isInPanel('job', id)) return;
    openPanel(panelTitle(shown.job), actions.close, ...jobContent(shown));
    if (shown.job.ended && !isNew) announce(`${jobTitle(shown.job)}: ${jobState(shown.job).word}`);
  } catch (err) {
    if (isInPanel('job', id)) openPanel('Job', actions.close, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}
