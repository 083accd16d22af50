// This module holds the names of the states of a door, and what they mean.

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

// isLockedOpen returns true for a door whose bolt is out although the door is open.
// Such a door is not secured.
const isLockedOpen = (door) => door.position === 'locked' && Boolean(door.insecure);

// toneOf returns the position in whose colour the page shows the door.
export const toneOf = (door) => isLockedOpen(door) ? 'unlocked' : positionOf(door);

export const positionText = (door) => {
  if (isLockedOpen(door)) return 'Locked, not secured';
  return door.position ? positions[positionOf(door)] : 'Not reported';
};

// pendingText describes what a door is waiting for before it locks.
export const pendingText = (door) => door.open ? 'Locks when the door is closed' : 'Locks by itself soon';

const isFaulty = (door) => door.position === 'jammed' || Boolean(door.fault) || Boolean(door.forced);

const position = 'properties.reported.lock.position';

// kinds lists the buttons of the summary. Each button counts the doors for which the
// function `is` returns true. A click on the button puts its condition into the
// condition field. One door can count for several buttons.
export const kinds = [
  { name: 'all', text: 'All', where: '', is: () => true },
  { name: 'locked', icon: 'locked', text: 'Locked', where: `${position} = 'locked'`, is: (d) => d.position === 'locked' },
  { name: 'unlocked', icon: 'unlocked', text: 'Unlocked', where: `${position} = 'unlocked'`, is: (d) => d.position === 'unlocked' },
  {
    name: 'jammed', icon: 'jammed', text: 'Faulty', is: isFaulty,
    where: `${position} = 'jammed' OR IS_DEFINED(properties.reported.lock.fault) OR properties.reported.door.forced = true`,
  },
  {
    name: 'unknown', icon: 'unknown', text: 'Unknown', is: (d) => !['locked', 'unlocked', 'jammed'].includes(d.position),
    where: `NOT IS_DEFINED(${position}) OR ${position} IN ['moving', 'unknown']`,
  },
  { name: 'offline', icon: 'offline', text: 'Offline', where: "connectionState = 'Disconnected'", is: (d) => !d.connected },
];

// tally counts doors by position and returns a text, such as "2 locked, 1 jammed".
export function tally(doors) {
  const counts = {};
  for (const d of doors) {
    const p = positionOf(d);
    counts[p] = (counts[p] ?? 0) + 1;
  }

  return Object.keys(positions).filter((p) => counts[p]).map((p) => `${count(counts[p])} ${p}`).join(', ');
}
