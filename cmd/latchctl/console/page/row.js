// This module creates the rows of the list of doors, in chunks.

import { h, icon, since } from './dom.js';
import { pendingText, placeText, stateOf, stateText } from './state.js';

// Chunk is a part of a group of doors. It has rows only while it is near the visible part
// of the page.
export class Chunk {
  // first is the position of the chunk's first door in its group. total is the number of
  // doors in the group. place is the function that describes where a door is.
  constructor(list, ids, { first, total, place }) {
    Object.assign(this, { list, ids, first, total, place, rows: null });
    this.element = h('ul', { class: 'rows' });
    this.element.style.setProperty('--rows', ids.length);
    this.element.chunk = this;
  }

  // show creates the rows of the chunk if near is true. Otherwise it removes the rows,
  // unless a row has the focus. Rows have different heights, so the empty chunk keeps
  // the height that its rows had.
  show(near) {
    if (near && !this.rows) {
      this.rows = new Map(this.ids.map((id, i) => [id, this.#row(id, i)]));
      this.element.style.minHeight = '';
      this.element.replaceChildren(...this.rows.values());
    } else if (!near && this.rows && !this.element.contains(document.activeElement)) {
      this.rows = null;
      if (this.element.offsetHeight > 0) this.element.style.minHeight = `${this.element.offsetHeight}px`;
      this.element.replaceChildren();
    }
  }

  refreshAll() {
    if (this.rows) for (const id of this.ids) this.refresh(id);
  }

  // refresh redraws the row of a door. It keeps the row's elements, so that the focus
  // stays.
  refresh(id) {
    const row = this.rows?.get(id);
    if (!row) return;

    const { list } = this;
    fill(row, list.doors.get(id), this.place);
    row.querySelector('input').checked = list.ticks.has(id);
    row.querySelector('.name').tabIndex = id === list.active ? 0 : -1;
  }

  #row(id, i) {
    const { list } = this;
    const name = h('button', { type: 'button', class: 'name', tabindex: '-1', onclick: () => list.onOpen(id) }, id);
    const tick = h('input', {
      type: 'checkbox', tabindex: '-1', 'aria-label': `Select ${id}`, onchange: (e) => list.tick([id], e.target.checked),
    });

    const row = h('li', { class: 'door', 'data-id': id, 'aria-setsize': this.total, 'aria-posinset': this.first + i + 1 },
      h('label', { class: 'tick' }, tick), name,
      h('span', { class: 'state' }), h('span', { class: 'place' }), h('span', { class: 'remarks' }));

    fill(row, list.doors.get(id), this.place);
    tick.checked = list.ticks.has(id);
    if (id === list.active) name.tabIndex = 0;
    return row;
  }
}

// fullPlace and room are the texts for a row's place: everywhere in the list, and on a
// floor whose name is in its head.
export const fullPlace = placeText;
export const room = (door) => door.room.text ? `Room ${door.room.text}` : '';

// fill writes the state of a door into the door's row.
function fill(row, door, place) {
  const [, , state, where, remarkList] = row.children;
  state.replaceWith(stateLabel(door));
  where.textContent = place(door);
  remarkList.replaceChildren(...remarks(door));
}

// stateLabel creates the label with the state of a door: a symbol, the words and the
// colour.
export function stateLabel(door) {
  const { icon: symbol, tone } = stateOf(door);
  return h('span', { class: `state is-${tone}` }, icon(symbol), h('span', {}, stateText(door)));
}

// remarks lists what else a user must know about a door: the faults and other conditions.
export function remarks(door) {
  const alarm = Boolean(stateOf(door).alarm);
  const isBoltTold = !alarm && !['open', 'not secured'].includes(door.state); // the state already tells the bolt's position
  const pending = ['building', 'floor', 'room'].filter((p) => door[p].pending);
  return [
    door.fault && h('span', { class: 'fault' }, door.fault[0].toUpperCase() + door.fault.slice(1)),
    door.exitStuck && !door.fault && h('span', { class: 'fault' }, 'The exit input is stuck'),
    alarm && door.open && h('span', { class: 'note' }, 'Door open'),
    !isBoltTold && door.position && h('span', {}, `Bolt ${door.position}`),
    door.hold && h('span', {}, 'Until somebody locks it'),
    !door.hold && new Date(door.releasedUntil) > new Date() && h('span', {}, `Until ${since(door.releasedUntil)}`),
    door.pending && h('span', { class: 'note' }, pendingText(door)),
    door.lockdown && h('span', { class: 'note' }, 'Lockdown'),
    door.disabled && h('span', { class: 'note' }, 'Disabled at the hub'),
    pending.length > 0 && h('span', { class: 'note' }, `${pending.join(', ')} not applied yet`),
    door.assumed && door.position && h('span', {}, 'Position assumed'),
  ].filter(Boolean);
}
