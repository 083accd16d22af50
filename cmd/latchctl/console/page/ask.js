// This module shows the dialog that asks for confirmation. The page sends no command
// before the user confirms it.

import { $, count, h, icon, plural, zoned } from './dom.js';

const dialog = () => $('ask');

// confirmAndSend shows a dialog. When the user submits it, check validates the values
// of the fields, and send sends the values. The promise resolves to the result of send,
// or to null if the user cancels.
function confirmAndSend({ title, tone, fields, note, dismiss = 'Cancel', submit, check, send }) {
  const error = h('p', { class: 'fault', role: 'alert', hidden: true });
  const showError = (text) => { error.textContent = text; error.hidden = !text; };
  const submitButton = h('button', { type: 'submit', class: tone }, submit);

  return new Promise((resolve) => {
    let result = null;
    const form = h('form', {
      method: 'dialog',
      oninput: () => {
        showError('');
        submitButton.replaceChildren(...(form.elements.start?.value ? ['Schedule for later'] : submit));
      },
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
    }, h('h2', { id: 'ask-title' }, title), [note].flat(2).filter(Boolean), fields, error,
    h('div', { class: 'buttons' }, h('button', { type: 'button', onclick: () => dialog().close() }, dismiss), submitButton));

    dialog().replaceChildren(form);
    dialog().addEventListener('close', () => resolve(result), { once: true });
    dialog().showModal();
  });
}

// field creates an input with a label.
function field(label, input, hint) {
  return h('label', { class: 'field' }, h('span', {}, label), input, hint && h('small', {}, hint));
}

const shownNames = 200; // number of doors that a question names

// targetNote creates a note that names the doors that a command is for, and says how many
// of them are offline. If a condition selects the doors, the note shows the condition.
function targetNote({ ids, where, offline }, consequence) {
  const more = ids.length - shownNames;
  const isAll = offline === ids.length;
  const offlineText = isAll ? `${ids.length === 1 ? 'This door is' : 'All these doors are'} offline.`
    : `${count(offline)} of these doors ${offline === 1 ? 'is' : 'are'} offline.`;

  return [
    h('div', { class: 'which', tabindex: 0, role: 'group', 'aria-label': 'Doors' },
      h('p', {}, ids.slice(0, shownNames).flatMap((id, i) => [i > 0 && ', ', h('span', { class: 'id' }, id)]), more > 0 && ` and ${count(more)} more`),
      where && h('p', { class: 'where' }, 'Condition: ', h('code', {}, where))),
    offline > 0 && h('p', { class: 'caution' }, icon('offline'), h('span', {}, `${offlineText} ${consequence}`)),
  ];
}

const offlineEffect = (isTwin) => isTwin ? 'A door that is offline gets the change when it connects.' : 'A command does not reach a door that is offline.';

// startField creates the field for the time at which the hub starts a job. The hint shows
// the time with its zone.
function startField(condition) {
  const hint = h('small', {});
  const showHint = (text) => {
    hint.textContent = text ? `Starts ${zoned(text)}.${condition ? ' The hub then selects the doors that match the condition at that time.' : ''}`
      : 'Optional. If empty, the job starts at once.';
  };
  const input = h('input', { name: 'start', type: 'datetime-local', oninput: (e) => showHint(e.target.value) });
  showHint('');
  return h('label', { class: 'field' }, h('span', {}, 'Start later'), input, hint);
}

// startTime converts the text of a start field to a time in RFC 3339, or to null if the
// field is empty.
function startTime(text) {
  if (!text) return null;

  const time = new Date(text);
  if (time <= new Date()) throw new Error('The start is in the past. Choose a later time, or leave it empty.');
  return time.toISOString();
}

// confirmLock asks the user to confirm that doors are locked or unlocked. To unlock
// more than confirmAbove doors, the user must type the number of doors.
export function confirmLock({ unlock, target, hub, confirmAbove, send }) {
  const n = target.ids.length;
  const mustType = unlock && n > confirmAbove;
  const action = `${unlock ? 'Unlock' : 'Lock'} ${plural(n, 'door')}`;

  return confirmAndSend({
    title: [`${action} on `, h('span', { class: 'hub' }, hub), '?'],
    tone: unlock ? 'danger' : 'primary',
    note: targetNote(target, offlineEffect(false)),
    fields: [
      field('Reason', h('input', { name: 'reason', maxlength: 200, autocomplete: 'off', autofocus: true }), 'Optional. The door records it with the command, and your login.'),
      unlock && field('Relock after (seconds)', h('input', { name: 'seconds', type: 'number', min: 1, max: 86400, inputmode: 'numeric' }),
        'Optional. If empty, each door uses its own relock setting.'),
      startField(target.where),
      mustType && confirmField(n),
    ].filter(Boolean),
    submit: [icon(unlock ? 'unlocked' : 'locked'), action],
    check: (values) => checkTyped(values, mustType, n),
    send: (values) => send({
      do: unlock ? 'unlock' : 'lock', where: target.where, ids: target.ids, start: startTime(values.start),
      reason: values.reason.trim(), forSeconds: Number(values.seconds || 0),
    }),
  });
}

// confirmField creates the field into which the user types the number of doors.
const confirmField = (n) => field(`Type ${n} to confirm`, h('input', { name: 'typed', inputmode: 'numeric', autocomplete: 'off', required: true }));

function checkTyped(values, mustType, n) {
  if (mustType && values.typed.replace(/[\s,]/g, '') !== String(n)) throw new Error(`Type ${n}, the number of doors.`);
}

// confirmRetry asks the user to confirm that a job is repeated on the doors on which it
// failed. job has a title, such as "Unlock 3 doors".
export function confirmRetry({ job, title, target, hub, confirmAbove, send }) {
  const n = target.ids.length;
  const unlock = job.what === 'Unlock';
  const mustType = unlock && n > confirmAbove;

  return confirmAndSend({
    title: [`${title} again on `, h('span', { class: 'hub' }, hub), '?'],
    tone: unlock ? 'danger' : 'primary',
    note: [targetNote(target, offlineEffect(job.what === 'Change twins')), h('p', {}, 'The other doors of the job get no command.')],
    fields: mustType ? [confirmField(n)] : [],
    submit: [`Retry ${plural(n, 'door')}`],
    check: (values) => checkTyped(values, mustType, n),
    send: () => send({ ids: target.ids }),
  });
}

// confirmResume asks the user to confirm that a rollout continues. title describes the
// rollout, such as "Unlock 3 doors". The rollout leaves out the doors in skip.
export function confirmResume({ rollout, title, target, skip, hub, confirmAbove, send }) {
  const n = target.ids.length;
  const unlock = rollout.what === 'Unlock';
  const mustType = unlock && n > confirmAbove;

  return confirmAndSend({
    title: [`Resume “${title}” on `, h('span', { class: 'hub' }, hub), '?'],
    tone: unlock ? 'danger' : 'primary',
    note: [
      n > 0 && targetNote(target, offlineEffect(rollout.what === 'Change twins')),
      skip.length > 0 && h('p', {}, `Skipped: ${skip.slice(0, shownNames).join(', ')}${skip.length > shownNames ? ` and ${count(skip.length - shownNames)} more` : ''}. `
        + 'If a wave has no door left, the next doors move up.'),
      h('p', {}, `${n > 0 ? `The rollout calls ${n === 1 ? 'this door' : `these ${count(n)} doors`}, wave by wave.` : 'The rollout calls no more doors.'}`
        + ` It aborts if more than ${rollout.abortAbove} of a wave’s doors fail. It runs only as long as latchctl console runs.`),
    ],
    fields: mustType ? [confirmField(n)] : [],
    submit: ['Resume the rollout'],
    check: (values) => checkTyped(values, mustType, n),
    send,
  });
}

// confirmCancel asks the user to confirm that a scheduled job is cancelled.
export function confirmCancel({ job, hub, send }) {
  return confirmAndSend({
    title: [`Cancel this job on `, h('span', { class: 'hub' }, hub), '?'],
    tone: 'danger',
    note: h('p', {}, `${job.what}, starts ${zoned(job.start)}. The doors stay as they are.`),
    fields: [],
    dismiss: 'Keep the job',
    submit: ['Cancel the job'],
    send,
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
export function confirmTwin({ target, hub, send }) {
  const n = target.ids.length;
  const textArea = (name, example) => h('textarea', { name, rows: 4, spellcheck: 'false', placeholder: example });
  const jobRequest = (values) => ({
    do: 'twin', where: target.where, ids: target.ids, start: startTime(values.start),
    desired: parseObject(values.desired, 'Desired properties'), tags: parseObject(values.tags, 'Tags'),
  });

  return confirmAndSend({
    title: [`Change ${n === 1 ? 'the twin' : 'the twins'} of ${plural(n, 'door')} on `, h('span', { class: 'hub' }, hub), '?'],
    tone: 'primary',
    note: targetNote(target, offlineEffect(true)),
    fields: [
      field('Desired properties', textArea('desired', '{"building": "43", "floor": 3}'), 'JSON. null deletes a property.'),
      field('Tags', textArea('tags', '{"site": "north"}'), 'JSON. Tags stay on the hub; devices do not see them.'),
      startField(target.where),
    ],
    submit: [`Change ${plural(n, 'twin')}`],
    check: (values) => {
      if (!values.desired.trim() && !values.tags.trim()) throw new Error('Enter desired properties, tags or both.');
      jobRequest(values);
    },
    send: (values) => send(jobRequest(values)),
  });
}
