// The names and meanings of a door's states.

import { count } from './dom.js';

export const positions = {
  locked: 'Locked',
  unlocked: 'Unlocked',
  moving: 'Moving',
  jammed: 'Jammed',
  unknown: 'Unknown',
};

// positionOf returns a door's position, or 'unknown' if the door has not reported one.
export const positionOf = (door) => positions[door.position] ? door.position : 'unknown';

export const positionText = (door) => door.position ? positions[positionOf(door)] : 'Not reported';

const isFaulty = (door) => door.position === 'jammed' || Boolean(door.fault);

const position = 'properties.reported.lock.position';

// kinds lists the buttons of the summary. Each button counts the doors for which `is`
// returns true and puts its condition into the condition field. A door can be of several
// kinds.
export const kinds = [
  { name: 'all', text: 'All', where: '', is: () => true },
  { name: 'locked', icon: 'locked', text: 'Locked', where: `${position} = 'locked'`, is: (d) => d.position === 'locked' },
  { name: 'unlocked', icon: 'unlocked', text: 'Unlocked', where: `${position} = 'unlocked'`, is: (d) => d.position === 'unlocked' },
  {
    name: 'jammed', icon: 'jammed', text: 'Faulty', is: isFaulty,
    where: `${position} = 'jammed' OR IS_DEFINED(properties.reported.lock.fault)`,
  },
  {
    name: 'unknown', icon: 'unknown', text: 'Unknown', is: (d) => !['locked', 'unlocked', 'jammed'].includes(d.position),
    where: `NOT IS_DEFINED(${position}) OR ${position} IN ['moving', 'unknown']`,
  },
  { name: 'offline', icon: 'offline', text: 'Offline', where: "connectionState = 'Disconnected'", is: (d) => !d.connected },
];

// tally counts doors by position, such as "2 locked, 1 jammed".
export function tally(doors) {
  const counts = {};
  for (const d of doors) {
    const p = positionOf(d);
    counts[p] = (counts[p] ?? 0) + 1;
  }

  return Object.keys(positions).filter((p) => counts[p]).map((p) => `${count(counts[p])} ${p}`).join(', ');
}
