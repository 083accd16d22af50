// This module shows the rollouts that were started from this computer. Only the command
// latchctl rollout can start, stop and resume them.

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

const countsText = (c) => [`${count(c.succeeded)} succeeded`, c.failed > 0 && `${count(c.failed)} failed`, c.pending > 0 && `${count(c.pending)} not called`,
  c.gone > 0 && `${count(c.gone)} left out`].filter(Boolean).join(', ');

const title = (r) => jobTitle({ what: r.what, counts: r.counts });

// waveClass returns the class that colours the dot of a wave. A wave in which a door
// failed is not green, although the rollout may have continued after it.
const waveClass = (w) => w.counts.failed > 0 ? 'is-failed' : `is-${w.state}`;

// readRollouts reads the list of rollouts again, and marks the rollout with the given
// id.
export async function readRollouts(id) {
  try {
    const all = await get('/api/rollouts');
    $('rollouts').replaceChildren(all.length ? h('ul', { class: 'jobs' }, all.map((r) => h('li', {},
      h('a', { href: `#rollouts/${r.id}`, class: 'name', 'aria-current': r.id === id && 'true' }, title(r)), badge(r),
      h('span', { class: 'where' }, `Wave ${r.wave} of ${r.waves}: ${countsText(r.counts)}`), h('span', { class: 'time' }, when(r.created)))))
      : h('p', { class: 'empty' }, 'No rollout was started from this computer on this hub. To start one, see ', h('code', {}, 'latchctl rollout --help'), '.'));
  } catch (err) {
    $('rollouts').replaceChildren(h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

// showRollout shows the details of a rollout in the panel. If moveFocus is true, the
// panel receives the focus.
export async function showRollout(id, close, openDoor, moveFocus) {
  try {
    const r = await get(`/api/rollouts/${encodeURIComponent(id)}`);
    if (!isInPanel('rollout', id)) return;
    openPanel(title(r), close,
      h('p', {}, badge(r), r.reason && ` ${r.reason}`),
      h('ol', { class: 'waves' }, r.parts.map((w, i) => h('li', { class: waveClass(w) },
        h('b', {}, `Wave ${i + 1}`), h('span', {}, w.state), h('span', { class: 'tally' }, `${plural(w.counts.devices, 'door')}: ${countsText(w.counts)}`)))),
      r.failed.length > 0 && h('ul', { class: 'results', 'aria-label': 'Failed devices' }, r.failed.map((d) => h('li', {},
        h('button', { type: 'button', class: 'name', onclick: () => openDoor(d.deviceId) }, d.deviceId),
        resultBadge(d.result), h('span', { class: 'reason' }, d.reason)))),
      h('dl', {}, fact('Condition', h('code', {}, r.where)), fact('Started', when(r.created)), fact('Abort above', r.abortAbove),
        fact('Required condition', r.require && h('code', {}, r.require)), fact('Soak', r.soak > 0 && `${r.soak} s`), fact('Soaking until', when(r.soakUntil)),
        fact('Rollout', h('code', {}, r.id))),
      (r.status === 'aborted' || r.status === 'stopped') && h('p', {}, 'To resume this rollout, run ', h('code', {}, `latchctl rollout resume ${r.id}`), '.'));
  } catch (err) {
    openPanel('Rollout', close, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
  if (moveFocus) $('panel').focus();
}
