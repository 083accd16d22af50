// This module shows a door in the panel.

import { $, h, icon, since, when } from './dom.js';
import { get } from './api.js';
import { fact, isInPanel, openPanel, setItem } from './panel.js';
import { remarks, stateLabel } from './row.js';

const buttonTexts = { lock: 'Lock…', unlock: 'Unlock…', twin: 'Change twin…' };

// showDoor shows a door in the panel. Its buttons call act with an action and the door.
// isNew is true if the user has just opened the door.
export async function showDoor(door, { close, act, isNew }) {
  const { id } = door;
  setItem('door', id);

  const buttons = h('div', { class: 'buttons' }, Object.keys(buttonTexts).map((action) => h('button', {
    type: 'button', class: action === 'lock' ? 'primary' : null, onclick: () => act(action, { ids: [id] }),
  }, action !== 'twin' && icon(`${action}ed`), buttonTexts[action])));
  const show = (twin, ...more) => openPanel(id, close, buttons, facts(door, twin), ...more);
  if (isNew) {
    show(null, h('p', { class: 'loading' }, 'Loading twin…'));
    $('panel').focus();
  }

  try {
    const twin = await get(`/api/door?id=${encodeURIComponent(id)}`);
    if (isInPanel('door', id)) show(twin);
  } catch (err) {
    if (isInPanel('door', id)) show(null, h('p', { class: 'fault', role: 'alert' }, err.message));
  }
}

const placeText = (p) => p.text && [p.text, p.pending && h('small', {}, ` (${p.pending} requested, not applied yet)`)];

// commandText describes a command and its result, such as "Unlock, refused with 409".
function commandText({ name, status }) {
  const action = { lockDoor: 'Lock', unlockDoor: 'Unlock' }[name] ?? name;
  if (status === 202) return `${action}, pending`;
  return status >= 200 && status < 300 ? `${action}, done` : `${action}, refused with ${status}`;
}

// connection describes the connection of a door.
function connection(door) {
  if (door.connected) return 'Connected';
  return door.offlineSince ? `Offline since ${since(door.offlineSince)}` : 'Never connected';
}

// facts shows a door with details from the door's twin. twin is null until the page has
// loaded it.
function facts(door, twin) {
  const r = twin?.properties?.reported ?? {};
  const [lock, link, system, agent] = [object(r.lock), object(r.link), object(r.system), object(r.agent)];
  const last = object(lock.lastCommand);

  return [
    h('div', { class: 'big' }, stateLabel(door)),
    remarks(door).length > 0 && h('p', { class: 'remarks' }, remarks(door)),
    h('dl', {},
      fact('Connection', h('span', { class: `link ${door.connected ? 'is-online' : 'is-offline'}` },
        icon(door.connected ? 'online' : 'offline'), connection(door))),
      fact('Building', placeText(door.building)), fact('Floor', placeText(door.floor)), fact('Room', placeText(door.room)),
      fact('Source', door.position && (door.assumed ? 'Assumed, no bolt sensor' : 'Bolt sensor')),
      fact('Last change', when(lock.changedAt)),
      fact('Last command', last.name && [commandText(last), last.reason && `, “${last.reason}”`,
        h('small', {}, ` ${when(last.at)}`)]),
      fact('Driver', lock.driver && `${lock.driver}, ${lock.mode}`),
      fact('Connected since', door.connected && when(link.connectedAt)),
      fact('Last connection error', link.lastError && String(link.lastError)),
      fact('Agent', agent.version && `latchd ${agent.version}`),
      fact('System', system.os && [system.model, system.os, system.arch].filter(Boolean).join(', ')),
      fact('Last activity', when(twin?.lastActivityTime))),
    twin && h('details', {}, h('summary', {}, 'Full twin'), h('pre', { tabindex: 0 }, JSON.stringify(twin, null, 2))),
  ];
}

// object returns v if v is an object, else an empty object.
const object = (v) => v !== null && typeof v === 'object' ? v : {};
