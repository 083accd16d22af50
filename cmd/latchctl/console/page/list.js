// This module shows the list of doors. The doors with an alarm come first. The other
// doors are grouped by building and floor. To keep a long list fast, the list divides
// each group into chunks of rows.

import { h, icon, plural, setText } from './dom.js';
import { Chunk, fullPlace, room } from './row.js';
import { placeWords } from './search.js';
import { stateOf, tally, urgencyOf } from './state.js';

const chunkRows = 50;
const maxUnfolded = 200; // a longer list shows only the heads of its groups, until the user unfolds them
const margin = 800; // distance from the visible part of the page within which a chunk has rows, in pixels

const isAlarm = (door) => Boolean(stateOf(door).alarm);

export class List {
  // The list calls onOpen with the id of a door that the user opens, onSearch with a new
  // text for the search box, and onTicksChanged when the ticked doors have changed.
  constructor(element, { onOpen, onTicksChanged, onSearch }) {
    Object.assign(this, { element, onOpen, onTicksChanged, onSearch });
    this.doors = new Map(); // all doors, by id
    this.order = []; // ids of the listed doors, from top to bottom
    this.ticks = new Set(); // ids of the ticked doors
    this.folds = new Map(); // whether the user has folded a group, by the group's name
    this.active = null; // id of the door that receives the focus with the Tab key
    this.chunks = [];
    this.groups = []; // functions that show the counts and the checkbox of a group
    this.locations = new Map(); // chunk and position of each listed door, by the door's id
    this.observer = new IntersectionObserver((entries) => {
      for (const e of entries) e.target.chunk.show(e.isIntersecting);
    }, { rootMargin: `${margin}px 0px` });
    element.addEventListener('keydown', (e) => this.#key(e));
  }

  // show lists those of the doors for which isListed returns true. A door that is not
  // listed loses its tick.
  show(doors, isListed) {
    this.doors = new Map(doors.map((d) => [d.id, d]));
    const listed = doors.filter(isListed);
    if (this.ticks.size > 0) {
      const ids = new Set(listed.map((d) => d.id));
      for (const id of this.ticks) if (!ids.has(id)) this.ticks.delete(id);
    }

    this.#build(listed);
  }

  // update redraws the doors that have changed. It returns true if a door began or ended
  // an alarm, so that the list must be built again.
  update(changed) {
    const hasMoved = changed.some((d) => this.locations.has(d.id) && isAlarm(d) !== isAlarm(this.doors.get(d.id)));

    for (const d of changed) this.doors.set(d.id, d);
    for (const d of changed) this.chunks[this.locations.get(d.id)?.chunk]?.refresh(d.id);
    for (const show of this.groups) show();
    return hasMoved;
  }

  // #build creates the whole list again. It restores the focus, and keeps the row in the
  // middle of the window where it was.
  #build(listed) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement.closest('[data-id]')?.dataset.id : null;
    const anchor = window.scrollY > 0 && document.elementFromPoint(window.innerWidth / 3, window.innerHeight / 2)?.closest('[data-id]');
    const anchorTop = anchor && anchor.getBoundingClientRect().top;

    this.observer.disconnect();
    Object.assign(this, { chunks: [], groups: [], order: [], locations: new Map() });
    if (!listed.some((d) => d.id === this.active)) this.active = null;

    const alarms = listed.filter(isAlarm).sort((a, b) => urgencyOf(a) - urgencyOf(b));
    const buildings = split(listed.filter((d) => !isAlarm(d)), 'building');
    const isFolded = listed.length > maxUnfolded && buildings.length + Number(alarms.length > 0) > 1;
    const body = document.createDocumentFragment();
    if (alarms.length > 0) body.append(this.#alarms(alarms, isFolded && alarms.length > maxUnfolded));
    for (const doors of buildings) body.append(this.#building(doors, isFolded));
    this.active ??= this.order[0] ?? null;
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

    if (focused && this.locations.has(focused)) this.#focus(this.locations.get(focused).index, 'name', { preventScroll: true });
    const row = anchor && this.#row(anchor.dataset.id);
    if (row?.offsetHeight) window.scrollBy(0, row.getBoundingClientRect().top - anchorTop);
  }

  // #row returns the row of a listed door. It creates the row if necessary.
  #row(id) {
    const chunk = this.chunks[this.locations.get(id)?.chunk];
    chunk?.show(true);
    return chunk?.rows.get(id);
  }

  // #alarms creates the group of the doors with an alarm.
  #alarms(doors, isFolded) {
    return this.#block({
      name: 'alarms', title: 'Needs attention', doors, isFolded, className: 'building alarms', body: (parent) => this.#rows(parent, doors, fullPlace),
    });
  }

  // #building creates the group of the doors in a building.
  #building(doors, isFolded) {
    const { text } = doors[0].building;
    const floors = split(doors, 'floor');
    const areFolded = doors.length > maxUnfolded && floors.length > 1;

    return this.#block({
      name: `building ${text ?? ''}`, title: text ? `Building ${text}` : 'No building', doors, isFolded, className: 'building',
      search: text && placeWords(doors[0], 'building'),
      body: (parent) => parent.append(...floors.map((f) => this.#floor(f, areFolded))),
    });
  }

  #floor(doors, isFolded) {
    const { building, floor } = doors[0];
    return this.#block({
      name: `floor ${floor.text ?? ''} of ${building.text ?? ''}`, title: floor.text ? `Floor ${floor.text}` : 'No floor', doors, isFolded,
      className: 'floor', search: floor.text && placeWords(doors[0], 'building', 'floor'), body: (parent) => this.#rows(parent, doors, room),
    });
  }

  // #block creates a group of doors with a head. The function body adds the content of
  // the group. The button "Show only" writes the text search into the search box.
  #block({ name, title, doors, isFolded, className, search, body }) {
    const ids = doors.map((d) => d.id);
    const counts = h('span', { class: 'tally' });
    const tick = h('input', { type: 'checkbox', 'aria-label': `Select all in ${title}`, onchange: (e) => this.tick(ids, e.target.checked) });
    this.#addGroup(() => {
      const current = ids.map((id) => this.doors.get(id));
      const ticked = this.ticks.size === 0 ? 0 : ids.filter((id) => this.ticks.has(id)).length;
      setText(counts, `${plural(ids.length, 'door')}: ${tally(current)}`);
      tick.checked = ticked === ids.length;
      tick.indeterminate = ticked > 0 && ticked < ids.length;
    });

    const content = h('div', { class: 'content', hidden: this.folds.get(name) ?? isFolded });
    body(content);
    const fold = h('button', {
      type: 'button', class: 'fold', 'aria-expanded': String(!content.hidden),
      onclick: () => {
        content.hidden = !content.hidden;
        this.folds.set(name, content.hidden);
        fold.setAttribute('aria-expanded', String(!content.hidden));
      },
    }, icon('down'), h('span', {}, title));

    const heading = h(className === 'floor' ? 'h3' : 'h2', {}, fold);
    const only = search && h('button', { type: 'button', class: 'quiet only', onclick: () => this.onSearch(search) },
      'Show only', h('span', { class: 'unseen' }, ` ${title}`));
    return h('section', { class: className }, h('div', { class: 'head' }, h('label', { class: 'tick' }, tick), heading, counts, only), content);
  }

  // #rows adds chunks for doors to a group. The chunks have no rows yet.
  #rows(parent, doors, place) {
    for (let i = 0; i < doors.length; i += chunkRows) {
      const ids = doors.slice(i, i + chunkRows).map((d) => d.id);
      const chunk = new Chunk(this, ids, { first: i, total: doors.length, place });
      for (const id of ids) {
        this.locations.set(id, { chunk: this.chunks.length, index: this.order.length });
        this.order.push(id);
      }
      this.chunks.push(chunk);
      parent.append(chunk.element);
    }
  }

  // #addGroup stores a function that shows the counts and the checkbox of a group.
  #addGroup(show) {
    this.groups.push(show);
    show();
  }

  // tick ticks or unticks doors.
  tick(ids, on) {
    for (const id of ids) {
      if (on) this.ticks.add(id);
      else this.ticks.delete(id);
    }
    this.#ticksChanged(ids);
  }

  // clearTicks unticks all doors.
  clearTicks() {
    this.tick([...this.ticks], false);
  }

  #ticksChanged(ids) {
    if (ids.length === 1) this.chunks[this.locations.get(ids[0])?.chunk]?.refresh(ids[0]);
    else for (const chunk of this.chunks) chunk.refreshAll();
    for (const show of this.groups) show();
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

  // #focus moves the focus to the checkbox or the name of a listed door. It unfolds the
  // groups of the door.
  #focus(index, part, options) {
    const id = this.order[index];
    const chunk = this.chunks[this.locations.get(id).chunk];
    for (let content = chunk.element.closest('.content'); content; content = content.parentElement.closest('.content')) {
      if (content.hidden) content.previousElementSibling.querySelector('.fold').click();
    }

    const previous = this.active;
    this.active = id;
    const row = this.#row(id);
    this.chunks[this.locations.get(previous)?.chunk]?.refresh(previous);
    chunk.refresh(id);

    row.querySelector(part === 'tick' ? 'input' : '.name').focus(options);
    if (!options) row.scrollIntoView({ block: 'nearest' });
  }
}

// split divides a sorted list of doors into groups with the same building or floor.
function split(doors, part) {
  const groups = [];
  for (const d of doors) {
    if (groups.length === 0 || (groups.at(-1)[0][part].text ?? '') !== (d[part].text ?? '')) groups.push([]);
    groups.at(-1).push(d);
  }
  return groups;
}
