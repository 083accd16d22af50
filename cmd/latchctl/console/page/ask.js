// The question before anything is done. Nothing moves without it.

import { $, count, h, icon, plural } from './dom.js';

const dialog = () => $('ask');

// question shows a dialog and resolves to what its fields hold, or to null.
function question({ title, tone, fields, note, submit, check, send }) {
  const fault = h('p', { class: 'fault', role: 'alert', hidden: true });
  const say = (text) => { fault.textContent = text; fault.hidden = !text; };
  const go = h('button', { type: 'submit', class: tone }, submit);
  return new Promise((resolve) => {
    let done = null;
    const form = h('form', {
      method: 'dialog',
      onsubmit: async (e) => {
        e.preventDefault();
        const values = Object.fromEntries(new FormData(form));
        try {
          say('');
          check?.(values);
          go.disabled = true;
          done = await send(values);
          dialog().close();
        } catch (err) {
          say(err.message);
        } finally {
          go.disabled = false;
        }
      },
    }, h('h2', { id: 'ask-title' }, title), note, fields, fault,
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => dialog().close() }, 'Cancel'), go));
    dialog().replaceChildren(form);
    dialog().addEventListener('close', () => resolve(done), { once: true });
    dialog().showModal();
  });
}

function field(label, input, hint) {
  return h('label', { class: 'field' }, h('span', {}, label), input, hint && h('small', {}, hint));
}

// which says what a question is about: the names of a few doors, and by what
// condition they were chosen.
function which({ ids, where }) {
  const names = ids.slice(0, 6);
  const more = ids.length - names.length;
  return h('div', { class: 'which' },
    h('p', {}, names.join(', '), more > 0 && ` and ${count(more)} more`),
    h('code', {}, where));
}

// askLock asks before doors are locked or unlocked. With many to unlock their
// number has to be typed.
export function askLock({ unlock, chosen, confirmAbove, send }) {
  const n = chosen.ids.length;
  const typed = unlock && n > confirmAbove;
  return question({
    title: `${unlock ? 'Unlock' : 'Lock'} ${plural(n, 'door')}?`,
    tone: unlock ? 'danger' : 'primary',
    note: which(chosen),
    fields: [
      field('Reason', h('input', { name: 'reason', maxlength: 200, autocomplete: 'off', autofocus: true }), 'For the doors’ records; may be empty'),
      unlock && field('Lock again after', h('input', { name: 'seconds', type: 'number', min: 1, max: 86400, inputmode: 'numeric' }),
        'Seconds; empty: they stay unlocked'),
      typed && field(`Type ${n} to confirm`, h('input', { name: 'typed', inputmode: 'numeric', autocomplete: 'off', required: true })),
    ].filter(Boolean),
    submit: [icon(unlock ? 'unlocked' : 'locked'), `${unlock ? 'Unlock' : 'Lock'} ${plural(n, 'door')}`],
    check: (v) => { if (typed && v.typed.trim() !== String(n)) throw new Error(`Type ${n}, the number of doors.`); },
    send: (v) => send({
      do: unlock ? 'unlock' : 'lock', where: chosen.where, ids: chosen.ids, reason: v.reason.trim(), forSeconds: Number(v.seconds || 0),
    }),
  });
}

// askTwin asks what is to be changed in twins.
export function askTwin({ chosen, send }) {
  const n = chosen.ids.length;
  const object = (text, what) => {
    if (!text.trim()) return null;
    let value;
    try { value = JSON.parse(text); } catch (err) { throw new Error(`${what}: this is no JSON: ${err.message}`); }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error(`${what}: want a JSON object, such as {"floor": 3}`);
    return value;
  };
  const area = (name, text) => h('textarea', { name, rows: 4, spellcheck: 'false', placeholder: text });
  const body = (v) => ({
    do: 'twin', where: chosen.where, ids: chosen.ids,
    desired: object(v.desired, 'Desired properties'), tags: object(v.tags, 'Tags'),
  });
  return question({
    title: `Change the twins of ${plural(n, 'door')}?`,
    tone: 'primary',
    note: which(chosen),
    fields: [
      field('Desired properties', area('desired', '{"building": "43", "floor": 3}'), 'JSON; what is null is removed'),
      field('Tags', area('tags', '{"site": "north"}'), 'JSON; only the hub’s side sees them'),
    ],
    submit: [`Change ${plural(n, 'twin')}`],
    check: (v) => { if (!v.desired.trim() && !v.tags.trim()) throw new Error('There is nothing to change: fill in one of the two.'); body(v); },
    send: (v) => send(body(v)),
  });
}
