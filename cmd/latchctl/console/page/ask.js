// This module shows the dialog that asks for confirmation. The page sends no command
// before the user confirms it.

import { $, count, h, icon, plural } from './dom.js';

const dialog = () => $('ask');

// confirmAndSend shows a dialog. When the user submits it, check validates the values
// of the fields, and send sends the values. The promise resolves to the result of send,
// or to null if the user cancels.
function confirmAndSend({ title, tone, fields, note, submit, check, send }) {
  const error = h('p', { class: 'fault', role: 'alert', hidden: true });
  const showError = (text) => { error.textContent = text; error.hidden = !text; };
  const submitButton = h('button', { type: 'submit', class: tone }, submit);

  return new Promise((resolve) => {
    let result = null;
    const form = h('form', {
      method: 'dialog',
      onsubmit: async (e) => {
        e.preventDefault();
        const values = Object.fromEntries(new FormData(form));
        try {
          showError('');
          check?.(values);
          submitButton.disabled = true;
          result = await send(values);
          dialog().close();
        } catch (err) {
          showError(err.message);
        } finally {
          submitButton.disabled = false;
        }
      },
    }, h('h2', { id: 'ask-title' }, title), note, fields, error,
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => dialog().close() }, 'Cancel'), submitButton));

    dialog().replaceChildren(form);
    dialog().addEventListener('close', () => resolve(result), { once: true });
    dialog().showModal();
  });
}

// field creates an input with a label.
function field(label, input, hint) {
  return h('label', { class: 'field' }, h('span', {}, label), input, hint && h('small', {}, hint));
}

// targetNote creates a note that names the first doors that a command is for, and the
// condition that selects them.
function targetNote({ ids, where }) {
  const names = ids.slice(0, 6);
  const more = ids.length - names.length;

  return h('div', { class: 'which' },
    h('p', {}, names.join(', '), more > 0 && ` and ${count(more)} more`),
    h('code', {}, where));
}

// confirmLock asks the user to confirm that doors are locked or unlocked. To unlock
// more than confirmAbove doors, the user must type the number of doors.
export function confirmLock({ unlock, target, confirmAbove, send }) {
  const n = target.ids.length;
  const mustType = unlock && n > confirmAbove;
  const action = `${unlock ? 'Unlock' : 'Lock'} ${plural(n, 'door')}`;

  return confirmAndSend({
    title: `${action}?`,
    tone: unlock ? 'danger' : 'primary',
    note: targetNote(target),
    fields: [
      field('Reason', h('input', { name: 'reason', maxlength: 200, autocomplete: 'off', autofocus: true }), 'Optional. The door records it with the command, and your login.'),
      unlock && field('Relock after (seconds)', h('input', { name: 'seconds', type: 'number', min: 1, max: 86400, inputmode: 'numeric' }),
        'Optional. If empty, each door uses its own relock setting.'),
      mustType && field(`Type ${n} to confirm`, h('input', { name: 'typed', inputmode: 'numeric', autocomplete: 'off', required: true })),
    ].filter(Boolean),
    submit: [icon(unlock ? 'unlocked' : 'locked'), action],
    check: (values) => {
      if (mustType && values.typed.trim() !== String(n)) throw new Error(`Type ${n}, the number of doors.`);
    },
    send: (values) => send({
      do: unlock ? 'unlock' : 'lock', where: target.where, ids: target.ids,
      reason: values.reason.trim(), forSeconds: Number(values.seconds || 0),
    }),
  });
}

// parseObject parses the JSON object in a text area. It returns null if the text area
// is empty.
function parseObject(text, label) {
  if (!text.trim()) return null;

  let value;
  try {
    value = JSON.parse(text);
  } catch (err) {
    throw new Error(`${label}: not valid JSON: ${err.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Error(`${label}: want a JSON object, such as {"floor": 3}`);
  }
  return value;
}

// confirmTwin asks the user for properties and tags to set in the twins of doors.
export function confirmTwin({ target, send }) {
  const n = target.ids.length;
  const textArea = (name, example) => h('textarea', { name, rows: 4, spellcheck: 'false', placeholder: example });
  const jobRequest = (values) => ({
    do: 'twin', where: target.where, ids: target.ids,
    desired: parseObject(values.desired, 'Desired properties'), tags: parseObject(values.tags, 'Tags'),
  });

  return confirmAndSend({
    title: `Change the twins of ${plural(n, 'door')}?`,
    tone: 'primary',
    note: targetNote(target),
    fields: [
      field('Desired properties', textArea('desired', '{"building": "43", "floor": 3}'), 'JSON. null deletes a property.'),
      field('Tags', textArea('tags', '{"site": "north"}'), 'JSON. Tags stay on the hub; devices do not see them.'),
    ],
    submit: [`Change ${plural(n, 'twin')}`],
    check: (values) => {
      if (!values.desired.trim() && !values.tags.trim()) throw new Error('Enter desired properties, tags or both.');
      jobRequest(values);
    },
    send: (values) => send(jobRequest(values)),
  });
}
