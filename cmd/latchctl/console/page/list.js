// The list of doors, grouped by building and floor. Of a long list only the rows
// near what is looked at exist: a floor is cut into chunks, and a chunk has its
// rows while it is near.

import { h, icon, plural, quote, setText } from './dom.js';
import { positionOf, positionText, tally } from './state.js';

const chunkRows = 50;
const longest = 7000; // characters of ids: a hub takes no query of more than 8192
const margin = 800; // how far from what is seen rows exist, in pixels

export class List {
  constructor(element, { open, ticked, filter, maxTicks }) {
    Object.assign(this, { element, open, ticked, filter, maxTicks });
    this.doors = new Map();
    this.order = []; // the ids that are shown, as they stand
    this.ticks = new Set();
    this.closed = new Set(); // the buildings that are folded
    this.active = null; // the id of the row that the Tab key comes to
    this.chunks = [];
    this.near = new IntersectionObserver((entries) => {
      for (const e of entries) e.target.chunk.show(e.isIntersecting);
    }, { rootMargin: `${margin}px 0px` });
    element.addEventListener('keydown', (e) => this.#key(e));
  }

  // show lists doors, in their order, of which selection, if any, chooses.
  show(doors, selection) {
    this.doors = new Map(doors.map((d) => [d.id, d]));
    const shown = selection ? doors.filter((d) => selection.has(d.id)) : doors;
    for (const id of this.ticks) if (!this.doors.has(id) || selection && !selection.has(id)) this.ticks.delete(id);
    this.#build(shown);
  }

  // update takes doors that have changed and stand where they stood.
  update(changed) {
    for (const d of changed) this.doors.set(d.id, d);
    for (const d of changed) this.chunks[this.place?.get(d.id)?.chunk]?.refresh(d.id);
    for (const group of this.groups) group.count();
  }

  #build(shown) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement.closest('[data-id]')?.dataset.id : null;
    this.near.disconnect();
    this.chunks = [];
    this.groups = [];
    this.order = [];
    this.place = new Map();
    if (!shown.some((d) => d.id === this.active)) this.active = shown[0]?.id ?? null;
    const body = document.createDocumentFragment();
    for (const building of split(shown, 'building')) body.append(this.#building(building));
    this.element.replaceChildren(body);
    const bottom = window.innerHeight + margin;
    for (const c of this.chunks) { // what is seen is there at once, the observer comes a moment later
      const box = c.element.getBoundingClientRect();
      if (box.height > 0 && box.top < bottom && box.bottom > -margin) c.seen = true;
    }
    for (const c of this.chunks) {
      if (c.seen) c.show(true);
      this.near.observe(c.element);
    }
    if (focused && this.place.has(focused)) this.#focus(this.place.get(focused).index, 'name');
  }

  #building(doors) {
    const { building } = doors[0];
    const name = building.text ?? '';
    const title = name ? `Building ${name}` : 'No building';
    const count = h('span', { class: 'tally' });
    this.groups.push({ count: () => setText(count, `${plural(doors.length, 'door')}: ${tally(this.#now(doors))}`) });
    this.groups.at(-1).count();
    const folded = this.closed.has(name);
    const floors = h('div', { class: 'floors', hidden: folded });
    const fold = h('button', {
      type: 'button', class: 'fold', 'aria-expanded': String(!folded),
      onclick: () => {
        if (!this.closed.delete(name)) this.closed.add(name);
        fold.setAttribute('aria-expanded', String(!this.closed.has(name)));
        floors.hidden = this.closed.has(name);
      },
    }, icon('down'), title);
    for (const floor of split(doors, 'floor')) floors.append(this.#floor(floor));
    return h('section', { class: 'building' }, h('div', { class: 'head' }, h('h2', {}, fold), count,
      name && h('button', { type: 'button', class: 'quiet only', onclick: () => this.filter(condition(doors, 'building')) },
        'Only these', h('span', { class: 'unseen' }, ` of ${title}`))), floors);
  }

  #floor(doors) {
    const { building, floor } = doors[0];
    const title = floor.text ? `Floor ${floor.text}` : 'No floor';
    const count = h('span', { class: 'tally' });
    if (floor.text || building.text) {
      this.groups.push({ count: () => setText(count, tally(this.#now(doors))) });
      this.groups.at(-1).count();
    }
    const section = h('section', { class: 'floor' }, h('div', { class: 'head' }, h('h3', {}, title), count,
      floor.text && h('button', {
        type: 'button', class: 'quiet only',
        onclick: () => this.filter([building.text && condition(doors, 'building'), condition(doors, 'floor')].filter(Boolean).join(' AND ')),
      }, 'Only these', h('span', { class: 'unseen' }, ` of ${title}`))));
    for (let i = 0; i < doors.length; i += chunkRows) {
      const part = doors.slice(i, i + chunkRows).map((d) => d.id);
      const chunk = new Chunk(this, part, i, doors.length);
      for (const id of part) {
        this.place.set(id, { chunk: this.chunks.length, index: this.order.length });
        this.order.push(id);
      }
      this.chunks.push(chunk);
      section.append(chunk.element);
    }
    return section;
  }

  // #now are the doors of a group as they are now.
  #now(doors) {
    return doors.map((d) => this.doors.get(d.id) ?? d);
  }

  // tick takes or gives a door's tick, up to the most that a condition can name.
  tick(id, on) {
    if (on && (this.ticks.size >= this.maxTicks || [...this.ticks, id].join("', '").length > longest)) return false;
    if (on) this.ticks.add(id);
    else this.ticks.delete(id);
    this.ticked();
    return true;
  }

  untick() {
    this.ticks.clear();
    for (const c of this.chunks) c.refreshAll();
    this.ticked();
  }

  // #key moves through the doors by the arrow keys, so that the Tab key leaves
  // the list.
  #key(e) {
    const row = e.target.closest('[data-id]');
    if (!row || e.altKey || e.ctrlKey || e.metaKey) return;
    const index = this.place.get(row.dataset.id).index;
    const part = e.target.type === 'checkbox' ? 'tick' : 'name';
    const to = {
      ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + 10, PageUp: index - 10, Home: 0, End: this.order.length - 1,
    }[e.key];
    if (to !== undefined) this.#focus(Math.max(0, Math.min(to, this.order.length - 1)), part);
    else if (e.key === 'ArrowLeft') this.#focus(index, 'tick');
    else if (e.key === 'ArrowRight') this.#focus(index, 'name');
    else if (e.key === ' ' && part === 'name') row.querySelector('input').click();
    else return;
    e.preventDefault();
  }

  #focus(index, part) {
    const id = this.order[index];
    const chunk = this.chunks[this.place.get(id).chunk];
    const folded = chunk.element.closest('.floors');
    if (folded.hidden) folded.parentElement.querySelector('.fold').click();
    const before = this.active;
    this.active = id;
    chunk.show(true);
    this.chunks[this.place.get(before)?.chunk]?.refresh(before);
    chunk.refresh(id);
    const row = chunk.rows.get(id);
    row.querySelector(part === 'tick' ? 'input' : '.name').focus();
    row.scrollIntoView({ block: 'nearest' });
  }
}

// Chunk is some rows of a floor, which exist while they are near.
class Chunk {
  constructor(list, ids, first, total) {
    Object.assign(this, { list, ids, first, total, rows: null, seen: false });
    this.element = h('ul', { class: 'rows' });
    this.element.style.setProperty('--rows', ids.length);
    this.element.chunk = this;
  }

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

  // refresh puts a row's present state in its place and leaves what has the
  // focus where it is.
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
    const name = h('button', { type: 'button', class: 'name', tabindex: '-1', onclick: () => list.open(id) }, id);
    const tick = h('input', {
      type: 'checkbox', tabindex: '-1', 'aria-label': `Tick ${id}`,
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

function fill(row, door) {
  const [, , room, position, remark, link] = row.children;
  room.replaceChildren(door.room.text ? `Room ${door.room.text}` : '');
  position.className = `position is-${positionOf(door)}`;
  position.replaceChildren(icon(positionOf(door)), positionText(door), door.assumed && door.position ? h('small', {}, 'assumed') : '');
  remark.replaceChildren(...remarks(door));
  link.className = `link ${door.connected ? 'is-online' : 'is-offline'}`;
  link.replaceChildren(icon(door.connected ? 'online' : 'offline'), door.connected ? 'Connected' : 'Offline');
}

// remarks are what is out of the ordinary about a door.
export function remarks(door) {
  const pending = ['building', 'floor', 'room'].filter((p) => door[p].pending);
  return [
    door.fault && h('span', { class: 'fault' }, door.fault),
    door.open && h('span', { class: 'note' }, icon('open'), 'Door open'),
    door.disabled && h('span', { class: 'note' }, 'Disabled'),
    pending.length > 0 && h('span', { class: 'note' }, `${pending.join(', ')} not taken over`),
  ].filter(Boolean);
}

// split cuts doors, which are in order, where a part of their place changes.
function split(doors, part) {
  const groups = [];
  for (const d of doors) {
    if (groups.length === 0 || (groups.at(-1)[0][part].text ?? '') !== (d[part].text ?? '')) groups.push([]);
    groups.at(-1).push(d);
  }
  return groups;
}

// condition chooses the doors of a group by what their place comes from.
function condition(doors, part) {
  const ways = new Set();
  for (const d of doors) {
    const { text, number, tag } = d[part];
    ways.add(`${tag ? 'tags' : 'properties.desired'}.${part} = ${number ? text : quote(text)}`);
  }
  const all = [...ways];
  return all.length === 1 ? all[0] : `(${all.join(' OR ')})`;
}
