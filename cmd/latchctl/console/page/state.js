// What a door's state is called and looks like, in one place.

import { count } from './dom.js';

export const positions = {
  locked: 'Locked',
  unlocked: 'Unlocked',
  moving: 'Moving',
  jammed: 'Jammed',
  unknown: 'Unknown',
};

export const positionOf = (door) => positions[door.position] ? door.position : 'unknown';

export const positionText = (door) => door.position ? positions[positionOf(door)] : 'Not reported';

export const troubled = (door) => door.position === 'jammed' || Boolean(door.fault);

const position = 'properties.reported.lock.position';

// kinds are what the summary counts; each is a condition that can be put into
// the box. A door may be of several.
export const kinds = [
  { name: 'all', text: 'All', where: '', is: () => true },
  { name: 'locked', icon: 'locked', text: 'Locked', where: `${position} = 'locked'`, is: (d) => d.position === 'locked' },
  { name: 'unlocked', icon: 'unlocked', text: 'Unlocked', where: `${position} = 'unlocked'`, is: (d) => d.position === 'unlocked' },
  {
    name: 'jammed', icon: 'jammed', text: 'In trouble', is: troubled,
    where: `${position} = 'jammed' OR IS_DEFINED(properties.reported.lock.fault)`,
  },
  {
    name: 'unknown', icon: 'unknown', text: 'Not known', is: (d) => !['locked', 'unlocked', 'jammed'].includes(d.position),
    where: `NOT IS_DEFINED(${position}) OR ${position} IN ['moving', 'unknown']`,
  },
  { name: 'offline', icon: 'offline', text: 'Offline', where: "connectionState = 'Disconnected'", is: (d) => !d.connected },
];

// tally counts positions in words: "2 locked, 1 jammed".
export function tally(doors) {
  const counts = {};
  for (const d of doors) {
    const p = positionOf(d);
    counts[p] = (counts[p] ?? 0) + 1;
  }
  return Object.keys(positions).filter((p) => counts[p]).map((p) => `${count(counts[p])} ${p}`).join(', ');
}
