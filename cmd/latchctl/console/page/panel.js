// This module shows the panel beside the list: a door, a job with its results, or a
// rollout.

import { $, announce, count, h, icon, plural, when } from './dom.js';
import { get } from './api.js';
import { positionOf, positionText, toneOf } from './state.js';
import { remarks } from './list.js';

const panel = () => $('panel');

let previousFocus = null; // the element that had the focus before the panel opened

// openPanel shows the panel with a title and content. The panel's close button calls
// close.
export function openPanel(title, close, ...content) {
  if (panel().hidden) previousFocus = document.activeElement;
  panel().hidden = false;
  document.body.classList.add('with-panel');
  panel().replaceChildren(
    h('div', { class: 'panel-head' }, h('h2', { id: 'panel-title' }, title),
      h('button', { type: 'button', class: 'quiet', onclick: close }, icon('close'), h('span', { class: 'unseen' }, 'Close'))),
    ...content.filter(Boolean));
}

// closePanel hides the panel and restores the earlier focus.
export function closePanel() {
  if (panel().hidden) return;

  panel().hidden = true;
  panel().replaceChildren();
  document.body.classList.remove('with-panel');
  if (previousFocus?.isConnected) previousFocus.focus();
  previousFocus = null;
}

// fact creates an entry of a definition list. It returns false if the entry has no
// value.
export const fact = (name, ...values) => {
  const shown = values.flat().filter(Boolean);
  return shown.length > 0 && [h('dt', {}, name), h('dd', {}, shown)];
};

const placeText = (p) => p.text && [p.text, p.pending && h('small', {}, ` (${p.pending} requested, not applied yet)`)];

// doorFacts shows a door with details from the door's twin. twin is null until the page
// has loaded it.
export function doorFacts(door, twin) {
  const r = twin?.properties?.reported ?? {};
  const lock = object(r.lock);
  const last = object(lock.lastCommand);
  const link = object(r.link);
  const system = object(r.system);

  return [
    h('p', { class: `big position is-${toneOf(door)}` }, icon(positionOf(door)), positionText(door),
      door.position && h('small', {}, door.assumed ? 'assumed, no bolt sensor' : 'from the bolt sensor')),
    remarks(door).length > 0 && h('p', { class: 'remark' }, remarks(door)),
    h('dl', {},
      fact('Connection', h('span', { class: door.connected ? 'link is-online' : 'link is-offline' },
        icon(door.connected ? 'online' : 'offline'), door.connected ? 'Connected' : 'Offline')),
      fact('Building', placeText(door.building)), fact('Floor', placeText(door.floor)), fact('Room', placeText(door.room)),
      fact('Last change', when(lock.changedAt)),
      fact('Last command', last.name && [`${last.name}, status ${last.status}`, last.reason && `, “${last.reason}”`,
        h('small', {}, ` ${when(last.at)}`)]),
      fact('Driver', lock.driver && `${lock.driver}, ${lock.mode}`),
      fact('Connected since', when(link.connectedAt)),
      fact('Last connection error', link.lastError && String(link.lastError)),
      fact('Agent', object(r.agent).version && `latchd ${object(r.agent).version}`),
      fact('System', system.os && [system.model, system.os, system.arch].filter(Boolean).join(', ')),
      fact('Last seen', when(twin?.lastActivityTime))),
    twin && h('details', {}, h('summary', {}, 'Full twin'), h('pre', { tabindex: 0 }, JSON.stringify(twin, null, 2))),
  ].filter(Boolean);
}

// object returns v if v is an object, else an empty object.
const object = (v) => v !== null && typeof v === 'object' ? v : {};

// jobState returns a word for the state of a job, and the colour of the job's badge.
export function jobState(job) {
  const v = job.verdict;
  if (v && job.status === 'completed') {
    if (v.devices === 0) return { word: 'No devices', tone: 'warn' };
    const pending = v.pending ?? 0;
    const failed = v.devices - v.succeeded - pending;
    const pendingText = `${pending} pending`;
    if (failed > 0) return { word: pending > 0 ? `${failed} failed, ${pendingText}` : `${failed} failed`, tone: 'bad' };
    return pending > 0 ? { word: pendingText, tone: 'warn' } : { word: 'Succeeded', tone: 'good' };
  }
  if (job.status === 'completed' && !job.ended) return { word: 'Loading results', tone: 'busy' };
  if (job.status === 'completed') { // only the hub's counts are known, and they count a refusal as an answer
    const { failed = 0 } = job.counts ?? {};
    return failed ? { word: `${failed} failed`, tone: 'bad' } : { word: 'Answered', tone: 'plain' };
  }
  if (job.status === 'failed') return { word: 'Failed', tone: 'bad' };
  if (job.status === 'cancelled') return { word: 'Cancelled', tone: 'warn' };
  return { word: job.status[0].toUpperCase() + job.status.slice(1), tone: 'busy' };
}

// jobTitle returns the action of a job and the number of doors in the job.
export function jobTitle(job) {
  const n = job.verdict?.devices ?? job.counts?.devices;
  return n === undefined ? job.what : `${job.what}: ${plural(n, 'door')}`;
}

// stateBadge creates the badge with the state of a job.
export const stateBadge = (job) => {
  const s = jobState(job);
  const icons = { good: 'done', bad: 'jammed', warn: 'unknown', busy: 'moving' };
  return h('span', { class: `badge is-${s.tone}` }, icons[s.tone] && icon(icons[s.tone]), s.word);
};

// progress shows the progress of a job as a bar and in words.
export function progress(job) {
  const c = job.counts ?? { devices: 0, answered: 0, failed: 0, running: 0, pending: 0 };
  const done = c.answered + c.failed;

  const words = [`${done} of ${plural(c.devices, 'device')} done`, c.running && `${c.running} running`, c.pending && `${c.pending} pending`,
    c.failed && `${c.failed} failed`].filter(Boolean).join(', ');
  return h('div', { class: 'progress' },
    h('progress', { max: c.devices || 1, value: job.ended ? c.devices || 1 : done, 'aria-label': 'Progress' }), h('p', {}, words));
}

const shownRows = 200; // number of results that the panel shows before the user presses "Show all"

// jobContent shows a job. Once the job has ended, it also shows the result of each
// device.
export function jobContent({ job, report }, openDoor) {
  const facts = h('dl', {}, fact('Condition', h('code', {}, job.where)), fact('Started', when(job.start ?? job.created)),
    fact('Ended', when(job.end)), fact('Job', h('code', {}, job.id)));
  const parts = [h('p', {}, stateBadge(job), job.reason && ` ${job.reason}`)];

  if (!job.ended) parts.push(progress(job));
  if (job.note) parts.push(h('p', { class: 'fault' }, job.note));

  if (report && job.ended) {
    const { summary, devices, advice } = report;
    const failed = devices.filter((d) => d.result !== 'succeeded');
    const pending = summary.byResult.pending ?? 0;
    parts.push(h('p', { class: 'result' }, h('b', {}, `${summary.succeeded} succeeded`),
      `, ${summary.failed - pending} failed${pending > 0 ? `, ${pending} pending` : ''}, of ${plural(summary.devices, 'device')}`));
    if (advice?.length) parts.push(h('ul', { class: 'advice' }, advice.map((line) => h('li', {}, line))));

    parts.push(results(failed, devices.filter((d) => d.result === 'succeeded'), openDoor));
  }

  return [...parts, facts];
}

// resultBadge creates the badge with the result of a device. A pending device acts
// later: for example, an open door locks when somebody closes it.
function resultBadge(result) {
  const [tone, symbol] = { succeeded: ['good', 'done'], pending: ['warn', 'moving'] }[result] ?? ['bad', 'jammed'];
  return h('span', { class: `badge is-${tone}` }, icon(symbol), result);
}

// results lists the devices of a job. Failed and pending devices come first.
function results(failed, succeeded, openDoor) {
  const row = (d) => h('li', {}, h('button', { type: 'button', class: 'name', onclick: () => openDoor(d.deviceId) }, d.deviceId),
    resultBadge(d.result), h('span', { class: 'reason' }, d.reason ?? ''));

  const list = h('ul', { class: 'results', 'aria-label': 'Results, failed and pending devices first' });
  const all = [...failed, ...succeeded];
  list.append(...all.slice(0, shownRows).map(row));
  if (all.length <= shownRows) return list;

  const more = h('button', { type: 'button', onclick: () => { list.append(...all.slice(shownRows).map(row)); more.remove(); } },
    `Show all ${count(all.length)}`);
  return h('div', {}, list, more);
}

// showJob loads a job and shows it. isNew is true if the user has just opened the job.
export async function showJob(id, close, openDoor, isNew = true) {
  if (isNew) {
    openPanel('Job', close, h('p', { class: 'loading' }, 'Loading job…'));
    panel().focus();
  }

  try {
    const shown = await get(`/api/jobs/${encodeURIComponent(id)}`);
    openPanel(jobTitle(shown.job), close, ...jobContent(shown, openDoor));
    if (shown.job.ended && !isNew) announce(`${shown.job.what}: ${jobState(shown.job).word}`);
    return shown;
  } catch (err) {
    openPanel('Job', close, h('p', { class: 'fault', role: 'alert' }, err.message));
    return null;
  }
}
