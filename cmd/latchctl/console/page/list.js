// This module shows the list of doors, grouped by building and floor. It divides a
// floor into chunks of rows. To keep a long list fast, a chunk creates its rows only
// while it is near the visible part of the page.

import { h, icon, plural, quote, setText } from './dom.js';
import { pendingText, positionOf, positionText, tally, toneOf } from './state.js';

const chunkRows = 50;
const maxIdLength = 7000; // maximum total length of the ticked ids; a hub refuses queries of more than 8192 characters
const margin = 800; // distance from the visible part of the page within which a chunk has rows, in pixels

export class List {
  // The list calls onOpen with the id of a door that the user opens, onFilter with a
  // new condition, and onTicksChanged when the ticked doors have changed.
  constructor(element, { onOpen, onTicksChanged, onFilter, maxTicks }) {
    Object.assign(this, { element, onOpen, onTicksChanged, onFilter, maxTicks });
    this.doors = new Map(); // all doors, by id
    this.order = []; // ids of the listed doors, from top to bottom
    this.ticks = new Set(); // ids of the ticked doors
    this.folded = new Set(); // names of the folded buildings
    this.active = null; // id of the door that receives the focus with the Tab key
    this.chunks = [];
    this.groups = []; // functions that show the counts of a building or floor
    this.locations = new Map(); // chunk and position of each listed door, by the door's id
    this.observer = new IntersectionObserver((entries) => {
      for (const e of entries) e.target.chunk.show(e.isIntersecting);
    }, { rootMargin: `${margin}px 0px` });
    element.addEventListener('keydown', (e) => this.#key(e));
  }

  // show lists the doors in the given order. If matches is a set of ids, show lists
  // only these doors. A door that is not listed loses its tick.
  show(doors, matches) {
    this.doors = new Map(doors.map((d) => [d.id, d]));
    const listed = matches ? doors.filter((d) => matches.has(d.id)) : doors;
    for (const id of this.ticks) {
      if (!this.doors.has(id) || matches && !matches.has(id)) this.ticks.delete(id);
    }

    this.#build(listed);
  }

  // update redraws the doors that have changed but keep their places.
  update(changed) {
    for (const d of changed) this.doors.set(d.id, d);
    for (const d of changed) this.chunks[this.locations.get(d.id)?.chunk]?.refresh(d.id);
    for (const group of this.groups) group.count();
  }

  // #build creates the whole list again and restores the focus.
  #build(listed) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement.closest('[data-id]')?.dataset.id : null;

    this.observer.disconnect();
    this.chunks = [];
    this.groups = [];
    this.order = [];
    this.locations = new Map();
    if (!listed.some((d) => d.id === this.active)) this.active = listed[0]?.id ?? null;

    const body = document.createDocumentFragment();
    for (const building of split(listed, 'building')) body.append(this.#building(building));
    this.element.replaceChildren(body);

    // Measure all chunks before any chunk creates rows, so that the browser computes
    // the layout once. Create the visible rows at once, because the observer would do
    // so only a moment later.
    const bottom = window.innerHeight + margin;
    const visible = this.chunks.filter((chunk) => {
      const box = chunk.element.getBoundingClientRect();
      return box.height > 0 && box.top < bottom && box.bottom > -margin;
    });
    for (const chunk of visible) chunk.show(true);
    for (const chunk of this.chunks) this.observer.observe(chunk.element);

    if (focused && this.locations.has(focused)) this.#focus(this.locations.get(focused).index, 'name');
  }

  // #building creates the part of the list for a building.
  #building(doors) {
    const { building } = doors[0];
    const name = building.text ?? '';
    const title = name ? `Building ${name}` : 'No building';
    const counts = h('span', { class: 'tally' });
    this.#addGroup(() => setText(counts, `${plural(doors.length, 'door')}: ${tally(this.#current(doors))}`));

    const floors = h('div', { class: 'floors', hidden: this.folded.has(name) });
    for (const floor of split(doors, 'floor')) floors.append(this.#floor(floor));

    const foldButton = h('button', {
      type: 'button', class: 'fold', 'aria-expanded': String(!this.folded.has(name)),
      onclick: () => {
        if (!this.folded.delete(name)) this.folded.add(name);
        foldButton.setAttribute('aria-expanded', String(!this.folded.has(name)));
        floors.hidden = this.folded.has(name);
      },
    }, icon('down'), title);

    return h('section', { class: 'building' },
      h('div', { class: 'head' }, h('h2', {}, foldButton), counts, name && this.#showOnly(title, condition(doors, 'building'))),
      floors);
  }

  // #floor creates the part of the list for a floor, with chunks that have no rows yet.
  #floor(doors) {
    const { building, floor } = doors[0];
    const title = floor.text ? `Floor ${floor.text}` : 'No floor';
    const counts = h('span', { class: 'tally' });
    if (floor.text || building.text) this.#addGroup(() => setText(counts, tally(this.#current(doors))));

    const parts = [building.text && condition(doors, 'building'), floor.text && condition(doors, 'floor')];
    const section = h('section', { class: 'floor' }, h('div', { class: 'head' }, h('h3', {}, title), counts,
      floor.text && this.#showOnly(title, parts.filter(Boolean).join(' AND '))));

    for (let i = 0; i < doors.length; i += chunkRows) {
      const ids = doors.slice(i, i + chunkRows).map((d) => d.id);
      const chunk = new Chunk(this, ids, i, doors.length);
      for (const id of ids) {
        this.locations.set(id, { chunk: this.chunks.length, index: this.order.length });
        this.order.push(id);
      }
      this.chunks.push(chunk);
      section.append(chunk.element);
    }
    return section;
  }

  // #addGroup stores a function that shows the counts of a building or floor.
  #addGroup(count) {
    this.groups.push({ count });
    count();
  }

  // #showOnly creates the button that restricts the list to a building or floor.
  #showOnly(title, where) {
    return h('button', { type: 'button', class: 'quiet only', onclick: () => this.onFilter(where) },
      'Show only', h('span', { class: 'unseen' }, ` ${title}`));
  }

  // #current returns the latest state of the given doors.
  #current(doors) {
    return doors.map((d) => this.doors.get(d.id) ?? d);
  }

  // tick ticks or unticks a door. It returns false if a condition could not name one
  // more door.
  tick(id, on) {
    if (on && (this.ticks.size >= this.maxTicks || [...this.ticks, id].join("', '").length > maxIdLength)) return false;

    if (on) this.ticks.add(id);
    else this.ticks.delete(id);
    this.onTicksChanged();
    return true;
  }

  // clearTicks unticks all doors.
  clearTicks() {
    this.ticks.clear();
    for (const chunk of this.chunks) chunk.refreshAll();
    this.onTicksChanged();
  }

  // #key handles the keys that move the focus between doors. The Tab key moves the
  // focus out of the list.
  #key(e) {
    const row = e.target.closest('[data-id]');
    if (!row || e.altKey || e.ctrlKey || e.metaKey) return;

    const { index } = this.locations.get(row.dataset.id);
    const part = e.target.type === 'checkbox' ? 'tick' : 'name';
    const target = {
      ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + 10, PageUp: index - 10, Home: 0, End: this.order.length - 1,
    }[e.key];

    if (target !== undefined) this.#focus(Math.max(0, Math.min(target, this.order.length - 1)), part);
    else if (e.key === 'ArrowLeft') this.#focus(index, 'tick');
    else if (e.key === 'ArrowRight') this.#focus(index, 'name');
    else if (e.key === ' ' && part === 'name') row.querySelector('input').click();
    else return;
    e.preventDefault();
  }

  // #focus moves the focus to the checkbox or the name of a listed door. If the door's
  // building is folded, it unfolds the building.
  #focus(index, part) {
    const id = this.order[index];
    const chunk = this.chunks[this.locations.get(id).chunk];
    const floors = chunk.element.closest('.floors');
    if (floors.hidden) floors.parentElement.querySelector('.fold').click();

    const previous = this.active;
    this.active = id;
    chunk.show(true);
    this.chunks[this.locations.get(previous)?.chunk]?.refresh(previous);
    chunk.refresh(id);

    const row = chunk.rows.get(id);
    row.querySelector(part === 'tick' ? 'input' : '.name').focus();
    row.scrollIntoView({ block: 'nearest' });
  }
}

// Chunk is a part of a floor. It has rows only while it is near the visible part of the
// page.
class Chunk {
  // first is the position of the chunk's first door on the floor. total is the number
  // of doors on the floor.
  constructor(list, ids, first, total) {
    Object.assign(this, { list, ids, first, total, rows: null });
    this.element = h('ul', { class: 'rows' });
    this.element.style.setProperty('--rows', ids.length);
    this.element.chunk = this;
  }

  // show creates the rows of the chunk if near is true. Otherwise it removes the rows,
  // unless a row has the focus.
  show(near) {
    if (near && !this.rows) {
      this.rows = new Map(this.ids.map((id, i) => [id, this.#row(id, i)]));
      this.element.replaceChildren(...this.rows.values());
    } else if (!near && this.rows && !this.element.contains(document.activeElement)) {
      this.rows = null;
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
    fill(row, list.doors.get(id));
    row.querySelector('input').checked = list.ticks.has(id);
    row.querySelector('.name').tabIndex = id === list.active ? 0 : -1;
  }

  #row(id, i) {
    const { list } = this;
    const name = h('button', { type: 'button', class: 'name', tabindex: '-1', onclick: () => list.onOpen(id) }, id);
    const tick = h('input', {
      type: 'checkbox', tabindex: '-1', 'aria-label': `Select ${id}`,
      onchange: (e) => { if (!list.tick(id, e.target.checked)) e.target.checked = false; },
    });

    const row = h('li', { class: 'door', 'data-id': id, 'aria-setsize': this.total, 'aria-posinset': this.first + i + 1 },
      h('label', { class: 'tick' }, tick), name,
      h('span', { class: 'room' }), h('span', { class: 'position' }), h('span', { class: 'remark' }), h('span', { class: 'link' }));
    this.rows?.set(id, row);

    fill(row, list.doors.get(id));
    tick.checked = list.ticks.has(id);
    if (id === list.active) name.tabIndex = 0;
    return row;
  }
}

// fill writes the state of a door into the door's row.
function fill(row, door) {
  const [, , room, position, remark, link] = row.children;
  room.replaceChildren(door.room.text ? `Room ${door.room.text}` : '');
  position.className = `position is-${toneOf(door)}`;
  position.replaceChildren(icon(positionOf(door)), positionText(door), door.assumed && door.position ? h('small', {}, 'assumed') : '');
  remark.replaceChildren(...remarks(door));
  link.className = `link ${door.connected ? 'is-online' : 'is-offline'}`;
  link.replaceChildren(icon(door.connected ? 'online' : 'offline'), door.connected ? 'Connected' : 'Offline');
}

// remarks lists the problems of a door.
export function remarks(door) {
  const pending = ['building', 'floor', 'room'].filter((p) => door[p].pending);
  return [
    door.fault && h('span', { class: 'fault' }, door.fault),
    door.forced && h('span', { class: 'fault' }, 'Forced open'),
    door.open && h('span', { class: 'note' }, icon('open'), door.heldOpen ? 'Door held open' : 'Door open'),
    door.pending && h('span', { class: 'note' }, pendingText(door)),
    door.lockdown && h('span', { class: 'note' }, 'Lockdown'),
    door.disabled && h('span', { class: 'note' }, 'Disabled'),
    pending.length > 0 && h('span', { class: 'note' }, `${pending.join(', ')} not applied yet`),
  ].filter(Boolean);
}

// split divides a sorted list of doors into groups with the same building, floor or room.
function split(doors, part) {
  const groups = [];
  for (const d of doors) {
    if (groups.length === 0 || (groups.at(-1)[0][part].text ?? '') !== (d[part].text ?? '')) groups.push([]);
    groups.at(-1).push(d);
  }
  return groups;
}

// condition returns a condition that selects the building, floor or room of the given
// doors. For a door whose value comes from a tag it tests the tag, for other doors the
// desired property.
function condition(doors, part) {
  const tests = new Set();
  for (const d of doors) {
    const { text, number, tag } = d[part];
    tests.add(`${tag ? 'tags' : 'properties.desired'}.${part} = ${number ? text : quote(text)}`);
  }

  const all = [...tests];
  return all.length === 1 ? all[0] : `(${all.join(' OR ')})`;
}
