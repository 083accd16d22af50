// This module shows the rollouts that were started from this computer. Only the command
// latchctl rollout can start and stop them.

import { $, count, h, icon, plural, when } from './dom.js';
import { get } from './api.js';
import { jobTitle, resultBadge } from './jobs.js';
import { fact, isInPanel, openPanel } from './panel.js';

const states = {
  running: ['busy', 'moving'], done: ['good', 'done'], aborted: ['bad', 'jammed'], stopped: ['warn', 'unknown'],
};

// badge creates the badge with the status of a rollout. A rollout can be done although
// some of its devices failed.
function badge(r) {
  let [tone, symbol] = states[r.status] ?? ['plain', null];
  let text = r.status[0].toUpperCase() + r.status.slice(1);
  if (r.status === 'done' && r.counts.failed > 0) {
    [tone, symbol] = ['bad', 'jammed'];
    text = `Done, ${r.counts.failed} failed`;
  }

  return h('span', { class: `badge is-${tone}` }, symbol && icon(symbol), text);
}

const countsText = (c) => [`${count(c.succeeded)} succeeded`, c.failed > 0 && `${count(c.failed)} failed`, c.pending > 0 && `${count(c.pending)} to go`,
  c.gone > 0 && `${count(c.gone)} left out`, c.skipped > 0 && `${count(c.skipped)} skipped`].filter(Boolean).join(', ');

export const rolloutTitle = (r) => jobTitle({ what: r.what, counts: r.counts });

// waveClass returns the class that colours the dot of a wave. A wave in which a door
// failed is not green, although the rollout may have continued after it.
const waveClass = (w) => w.counts.failed > 0 ? 'is-failed' : `is-${w.state}`;

// shown holds what the list and the panel show, as JSON. An unchanged answer leaves them
// alone, so that a button keeps the focus.
const shown = { list: '', panel: '' };

// isShown reports whether a part of the page already shows the values, and remembers them.
function isShown(part, ...values) {
  const text = JSON.stringify(values);
  const isSame = shown[part] === text;
  shown[part] = text;
  return isSame;
}

// readRollouts reads the list of rollouts again, and marks the rollout with the given
// id.
export async function readRollouts(id) {
  try {
    const all = await get('/api/rollouts');
    if (isShown('list', all, id)) return;
    $('rollouts').replaceChildren(all.length ? h('ul', { class: 'jobs' }, all.map((r) => h('li', {},
      h('a', { href: `#rollouts/${r.id}`, class: 'name', 'aria-current': r.id === id && 'true' }, rolloutTitle(r)), badge(r),
      h('span', { class: 'where' }, `Wave ${r.wave} of ${r.waves}: ${countsText(r.counts)}`), h('span', { class: 'time' }, when(r.created)))))
      : h('p', { class: 'empty' }, 'No rollout was started from this computer on this hub. To start one, see ', h('code', {}, 'latchctl rollout --help'), '.'));
  } catch (err) {
    shown.list = '';
    $('rollouts').replaceChildren(h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// resumeButtons creates the buttons that resume a rollout: with the failed doors, which it
// calls again, or without them.
function resumeButtons(r, resume) {
  const [left, without] = [r.left ?? [], r.without ?? []];
  const failed = r.failed.map((d) => d.deviceId);

  return h('div', { class: 'buttons' },
    h('button', { type: 'button', onclick: () => resume(r, { ids: left, skip: [] }) },
      icon('refresh'), left.length > 0 ? `Resume, ${plural(left.length, 'door')} to call…` : 'Resume…'),
    without.length > 0 && h('button', { type: 'button', onclick: () => resume(r, { ids: without, skip: failed }) },
      `Skip ${failed.length === 1 ? 'the failed door' : `the ${count(failed.length)} failed doors`} and resume…`));
}

// showRollout shows the details of a rollout in the panel. If moveFocus is true, the
// panel receives the focus. Its buttons call resume with the rollout, the ids of the doors to
// call and the ids of the doors to skip.
export async function showRollout(id, { close, openDoor, resume, moveFocus }) {
  try {
    const r = await get(`/api/rollouts/${encodeURIComponent(id)}`);
    if (!isInPanel('rollout', id) || isShown('panel', r) && !moveFocus) return;
    openPanel(rolloutTitle(r), close,
      h('p', {}, badge(r), r.reason && ` ${r.reason}`),
      r.note && h('p', { class: 'fault' }, `The console could not continue the rollout: ${r.note}`),
      r.resumable && resumeButtons(r, resume),
      r.status === 'running' && h('p', {}, 'To stop this rollout, run ', h('code', {}, `latchctl rollout abort ${r.id}`), '.'),
      h('ol', { class: 'waves' }, r.parts.map((w, i) => h('li', { class: waveClass(w) },
        h('b', {}, `Wave ${i + 1}`), h('span', {}, w.state), h('span', { class: 'tally' }, `${plural(w.counts.devices, 'door')}: ${countsText(w.counts)}`)))),
      r.failed.length > 0 && h('ul', { class: 'results', 'aria-label': 'Failed devices' }, r.failed.map((d) => h('li', {},
        h('button', { type: 'button', class: 'name', onclick: () => openDoor(d.deviceId) }, d.deviceId),
        resultBadge(d.result), h('span', { class: 'reason' }, d.reason)))),
      h('dl', {}, fact('Condition', h('code', {}, r.where)), fact('Started', when(r.created)), fact('Abort above', r.abortAbove),
        fact('Required condition', r.require && h('code', {}, r.require)), fact('Soak', r.soak > 0 && `${r.soak} s`), fact('Soaking until', when(r.soakUntil)),
        fact('Rollout', h('code', {}, r.id))));
  } catch (err) {
    shown.panel = '';
    openPanel('Rollout', close, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
  if (moveFocus) $('panel').focus();
}
