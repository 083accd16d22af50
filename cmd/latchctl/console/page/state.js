// This module holds what the page shows for each state of a door. The console judges the
// state itself.

import { count, plural, since } from './dom.js';

// states lists the states in the order in which the page shows doors: trouble first. The
// tone is the colour. A door with an alarm comes before all other doors. named describes
// a number of doors in this state, as in "2 faults".
const states = [
  { name: 'forced', tone: 'bad', icon: 'jammed', text: 'Forced', alarm: true },
  { name: 'held open', tone: 'bad', icon: 'open', text: 'Held open', alarm: true },
  { name: 'fault', tone: 'bad', icon: 'jammed', text: 'Fault', alarm: true, named: (n) => plural(n, 'fault') },
  { name: 'open', tone: 'warn', icon: 'open', text: 'Open' },
  { name: 'unlocked', tone: 'warn', icon: 'unlocked', text: 'Unlocked' },
  { name: 'not secured', tone: 'warn', icon: 'locked', text: 'Not secured' },
  { name: 'moving', tone: 'busy', icon: 'moving', text: 'Moving' },
  { name: 'unknown', tone: 'plain', icon: 'unknown', text: 'Unknown' },
  { name: 'offline', tone: 'plain', icon: 'offline', text: 'Offline' },
  { name: 'locked', tone: 'good', icon: 'locked', text: 'Locked' },
];
const byName = Object.fromEntries(states.map((s) => [s.name, s]));

export const stateOf = (door) => byName[door.state] ?? byName.unknown;

// urgencyOf orders doors by state: the smaller, the more urgent.
export const urgencyOf = (door) => states.indexOf(stateOf(door));

// kinds lists the buttons of the summary. The list shows only the doors for which the
// function `is` of the pressed button returns true. The button "Offline" is for every
// offline door, also one with an alarm.
export const kinds = [
  { name: 'all', text: 'All', is: () => true },
  ...states.map((s) => ({ ...s, is: s.name === 'offline' ? (d) => !d.connected : (d) => stateOf(d) === s })),
];

// countKinds returns the number of doors for each button of the summary.
export function countKinds(doors) {
  return { ...countStates(doors), all: doors.length, offline: doors.filter((d) => !d.connected).length };
}

function countStates(doors) {
  const counts = Object.fromEntries(states.map((s) => [s.name, 0]));
  for (const d of doors) counts[stateOf(d).name] += 1;
  return counts;
}

// lastState returns the state that an offline door reported last.
function lastState(door) {
  if (stateOf(door).alarm) return stateOf(door);
  if (door.open) return byName.open;
  if (door.position === 'locked' && !door.secured) return byName['not secured'];
  return byName[door.position] ?? byName.unknown;
}

// stateText describes a door in one phrase, such as "Locked" or "Was locked, offline
// since 14:02".
export function stateText(door) {
  const state = stateOf(door);
  const hasReported = Boolean(door.position) || state.alarm;
  if (door.connected) return hasReported || state.name !== 'unknown' ? state.text : 'Never reported';
  if (!door.offlineSince) return 'Never connected';

  const offline = `ffline since ${since(door.offlineSince)}`;
  return hasReported ? `Was ${lastState(door).text.toLowerCase()}, o${offline}` : `O${offline}`;
}

// pendingText describes what a door is waiting for before it locks.
export const pendingText = (door) => door.open ? 'Locks when the door is closed' : 'Locks by itself soon';

// placeText describes where a door is, such as "Building 43, floor 3, room 12".
export function placeText(door) {
  const text = ['building', 'floor', 'room'].filter((p) => door[p].text).map((p) => `${p} ${door[p].text}`).join(', ');
  return text && text[0].toUpperCase() + text.slice(1);
}

// tally counts doors by state, trouble first, and returns a text such as "1 fault, 2
// unlocked, 40 locked".
export function tally(doors) {
  const counts = countStates(doors);
  return states.filter((s) => counts[s.name] > 0)
    .map((s) => s.named?.(counts[s.name]) ?? `${count(counts[s.name])} ${s.text.toLowerCase()}`).join(', ');
}
