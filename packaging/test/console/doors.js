'use strict';
// Cases for a page with four doors. The bolts of front and side work; the bolt of cellar
// jams. attic is offline and was locked.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');

const building = "properties.desired.building = '43'";
const working = "deviceId IN ['front', 'side', 'cellar']";
const longRoom = 'Reception and registry of the district court, second corridor on the left, behind the stairs';
const violations = []; // requests to other addresses, script errors and native dialogs

// watch records what the page must not do.
function watch(page, base) {
  page.on('request', (r) => { if (!r.url().startsWith(`${base}/`)) violations.push(r.url()); });
  page.on('pageerror', (err) => violations.push(String(err)));
  page.on('console', (m) => { if (m.type() === 'error' && !m.text().includes('status of 400')) violations.push(m.text()); });
  page.on('dialog', (d) => { violations.push(`a dialog: ${d.message()}`); d.dismiss(); });
}

const row = (page, id) => page.locator(`.door[data-id="${id}"]`);

// search enters words or a condition and waits for the count of matching doors.
async function search(page, text, count) {
  await page.fill('#words', text);
  await page.locator('#count', { hasText: count }).waitFor();
}

// select enters words or a condition and selects all doors that match.
async function select(page, text, count) {
  await search(page, text, count);
  await page.click('#select-all');
}

// ids returns the ids of the listed doors, from top to bottom.
const ids = (page) => page.locator('.door').evaluateAll((rows) => rows.map((r) => r.dataset.id));

// confirm clicks a button, fills in the dialog's fields and submits it.
async function confirm(page, button, fill = {}) {
  await page.click(button);
  for (const [name, text] of Object.entries(fill)) await page.fill(`dialog [name=${name}]`, text);
  await page.click('dialog button[type=submit]');
}

// clipped returns the names, places, reasons and headings of which a part is hidden.
const clipped = (page) => page.evaluate(() => [...document.querySelectorAll('h2, h3, .door > *, #panel .remarks, #panel dd, .tally')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow !== 'visible' || e.getBoundingClientRect().right > innerWidth)
  .map((e) => e.textContent));

// jobResult returns the summary of the job in the panel.
const jobResult = (page) => page.locator('#panel .result').textContent();

module.exports = {
  'refused without a session': async (w) => {
    const page = await w.browser.newPage();
    const answer = await page.goto(`${w.base}/`);
    assert.equal(answer.status(), 403);
    assert.match(await page.textContent('main'), /Open the address that latchctl console printed/);
    assert.equal((await page.request.get(`${w.base}/api/session`)).status(), 403);
    await w.shot(page, 'refused');
    await page.close();
  },

  'log in with the token': async (w) => {
    w.context = await w.browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    w.page = await w.context.newPage();
    watch(w.page, w.base);
    await w.page.goto(w.url);
    assert.equal(w.page.url(), `${w.base}/`);
    const [cookie] = await w.context.cookies();
    assert.equal(cookie.httpOnly, true);
    assert.equal(cookie.sameSite, 'Strict');
    assert.equal(await w.page.evaluate(() => document.cookie), '');
  },

  'token used twice': async (w) => {
    const context = await w.browser.newContext();
    const page = await context.newPage();
    const answer = await page.goto(w.url);
    assert.equal(answer.status(), 403);
    assert.deepEqual(await context.cookies(), []);
    await context.close();
  },

  // Neither a page of another site nor a page on another port of this computer (which is
  // the same site) can use the session, although the browser has its cookie.
  'cross-site requests': async (w) => {
    const server = http.createServer((req, res) => {
      res.setHeader('Content-Type', 'text/html');
      res.end('<h1>another site</h1>');
    });
    await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
    const { port } = server.address();
    for (const host of ['127.0.0.1', 'localhost']) {
      const page = await w.context.newPage();
      await page.goto(`http://${host}:${port}/`);
      const statuses = [];
      page.on('response', (r) => { if (r.url().startsWith(w.base)) statuses.push(r.status()); });
      const seen = await page.evaluate(async (base) => {
        const body = JSON.stringify({ do: 'unlock', where: '*', ids: ['a', 'b', 'c'] });
        const tried = [];
        const attempt = async (path, options) => {
          try { const r = await fetch(base + path, options); tried.push(r.type === 'opaque' ? 'opaque' : r.status); } catch { tried.push('refused'); }
        };
        await attempt('/api/jobs', { method: 'POST', mode: 'no-cors', credentials: 'include', body });
        await attempt('/api/jobs', { method: 'POST', credentials: 'include', body, headers: { 'X-Latchctl-Change': 'x' } });
        await attempt('/api/session', { credentials: 'include' });
        const frame = document.createElement('iframe');
        frame.src = `${base}/`;
        const loaded = new Promise((done) => { frame.onload = done; });
        document.body.append(frame);
        await loaded;
        let inside = null;
        try { inside = frame.contentDocument?.title ?? null; } catch { /* another origin */ }
        return { tried, inside };
      }, w.base);
      assert.ok(!seen.tried.includes(200), `a request was accepted: ${seen.tried}`);
      assert.equal(seen.inside, null);
      assert.ok(statuses.length > 0 && statuses.every((s) => s >= 400), `the console answered ${statuses}`);
      await page.close();
    }
    server.close();
  },

  'four doors': async (w) => {
    const { page } = w;
    for (const id of ['front', 'side', 'cellar']) {
      await row(page, id).locator('.state.is-warn', { hasText: 'Unlocked' }).waitFor();
    }
    assert.match(await page.textContent('.building h2'), /Building 43/);
    assert.match(await page.textContent('.building .tally'), /4 doors: 3 unlocked, 1 offline/);
    assert.match(await page.textContent('.floor h3'), /Floor 3/);
    assert.equal(await page.textContent('#count'), '4 doors');
    assert.match(await page.title(), /^Doors – 127\.0\.0\.1:\d+ – latchctl console$/);
    await w.shot(page, 'doors-light');
  },

  // What an offline door reported may no longer be true. The door is neither green nor
  // counted as locked.
  'an offline door is not green': async (w) => {
    const { page } = w;
    const state = row(page, 'attic').locator('.state');
    assert.match(await state.textContent(), /^Was locked, offline since \d\d:\d\d$/);
    assert.match(await state.getAttribute('class'), /is-plain/);
    assert.equal(await page.isVisible('#kind-locked'), false, 'no door counts as locked');
    await page.click('#kind-offline');
    await page.locator('#count', { hasText: '1 of 4 doors' }).waitFor();
    assert.deepEqual(await ids(page), ['attic']);
    await page.click('#kind-offline');
    await page.locator('#count', { hasText: /^4 doors/ }).waitFor();
  },

  // Words match the id, the room and the building, in any case and order. After the word
  // floor, a number must be the whole floor.
  'search by words': async (w) => {
    const { page } = w;
    for (const [words, want] of [
      ['FRO', ['front']], ['ell 43', ['cellar']], ['img', ['side']], ['floor 3 front', ['front']], ['building 43 room <img', ['side']], ['building 4', []], ['floor 33', []], ['front side', []],
    ]) {
      await page.fill('#words', words);
      await page.waitForFunction((wanted) => [...document.querySelectorAll('.door')].map((r) => r.dataset.id).join() === wanted, want.join())
        .catch(async () => assert.deepEqual(await ids(page), want, words));
    }
    assert.match(await page.textContent('#list'), /No door matches/);
    await page.click('#list .empty button');
    await page.locator('#count', { hasText: /^4 doors/ }).waitFor();
    await page.locator('.floor .only').click();
    assert.equal(await page.inputValue('#words'), 'building 43 floor 3');
    await page.click('#clear');
  },

  // The page's own modules tell conditions from words.
  'words and conditions': async (w) => {
    const texts = {
      condition: ['*', "deviceId = 'a'", 'tags.floor > 3', "tags.floor IN [1, 2]", "tags.floor NIN [1]", 'IS_DEFINED(tags.x)', "startswith(deviceId, 'a')",
        'SELECT * FROM devices', "where floor 3"],
      words: ['front', 'room 12', 'Lab (east)', 'in 43', 'is_defined', 'select a door from Building 3', 'A-1', 'building "Main hall" floor -1'],
    };
    const seen = await w.page.evaluate(async (all) => {
      const { isCondition } = await import('/search.js');
      return { condition: all.condition.filter(isCondition), words: all.words.filter((t) => !isCondition(t)) };
    }, texts);
    assert.deepEqual(seen, texts);
  },

  // Every state in words. An offline door says what it was; an alarm remains an alarm.
  'states in words': async (w) => {
    const offlineSince = new Date(new Date().setHours(0, 5, 0, 0)).toISOString();
    const online = { connected: true };
    const table = [
      [{ ...online, state: 'locked', position: 'locked', secured: true }, 'good', 'Locked'],
      [{ ...online, state: 'not secured', position: 'locked' }, 'warn', 'Not secured, Bolt locked'],
      [{ ...online, state: 'open', position: 'unlocked', open: true }, 'warn', 'Open, Bolt unlocked'],
      [{ ...online, state: 'unknown', position: '' }, 'plain', 'Never reported'],
      [{ ...online, state: 'unknown', position: 'unknown' }, 'plain', 'Unknown'],
      [{ ...online, state: 'forced', position: 'locked', open: true, fault: 'the door was opened while it was locked' }, 'bad',
        'Forced, The door was opened while it was locked, Door open, Bolt locked'],
      [{ ...online, state: 'held open', position: 'unlocked', open: true }, 'bad', 'Held open, Door open, Bolt unlocked'],
      [{ ...online, state: 'fault', position: 'jammed', fault: 'x; y' }, 'bad', 'Fault, X; y, Bolt jammed'],
      [{ state: 'offline', position: 'locked', secured: true, offlineSince }, 'plain', 'Was locked, offline since 00:05'],
      [{ state: 'offline', position: 'locked', offlineSince }, 'plain', 'Was not secured, offline since 00:05'],
      [{ state: 'offline', position: 'unlocked', open: true, offlineSince }, 'plain', 'Was open, offline since 00:05'],
      [{ state: 'offline', position: '', offlineSince }, 'plain', 'Offline since 00:05'],
      [{ state: 'offline', position: '' }, 'plain', 'Never connected'],
      [{ state: 'forced', position: 'locked', offlineSince }, 'bad', 'Was forced, offline since 00:05, Bolt locked'],
      [{ ...online, state: 'unlocked', position: 'unlocked', hold: true, assumed: true }, 'warn', 'Unlocked, Until somebody locks it, Position assumed'],
    ];
    const seen = await w.page.evaluate(async (doors) => {
      const { remarks, stateLabel } = await import('/row.js');
      return doors.map((d) => {
        const door = { building: {}, floor: {}, room: {}, ...d };
        const label = stateLabel(door);
        return [d, label.className.replace('state is-', ''), [label, ...remarks(door)].map((e) => e.textContent).join(', ')];
      });
    }, table.map(([door]) => door));
    assert.deepEqual(seen, table);
  },

  // A search does not select doors for an action. Selected doors that a search hides are
  // not selected any longer.
  'a filter arms no action': async (w) => {
    const { page } = w;
    await search(page, building, '4 doors');
    assert.equal(await page.isVisible('#actions'), false);
    await page.click('#kind-unlocked');
    assert.equal(await page.isVisible('#actions'), false);
    await page.click('#select-all');
    await page.locator('#target', { hasText: /^3 doors selected$/ }).waitFor();
    await page.click('#kind-all');
    await page.locator('.building .tick').first().click();
    await page.locator('#target', { hasText: '4 doors selected, 1 offline' }).waitFor();
    await search(page, 'front', '1 of 4 doors');
    await page.locator('#target', { hasText: /^1 door selected$/ }).waitFor();
    await page.click('#untick');
    assert.equal(await page.isVisible('#actions'), false);
    await page.click('#clear');
  },

  'hostile text stays text': async (w) => {
    const { page } = w;
    await page.locator('#count', { hasText: /^4 doors/ }).waitFor();
    assert.match(await row(page, 'side').textContent(), /Room <img src=x onerror=alert\(1\)>/);
    assert.equal(await page.locator('#list img').count(), 0);
    await row(page, 'side').locator('.name').click();
    await page.locator('#panel details').waitFor();
    assert.match(await page.textContent('#panel dl'), /<img src=x/);
    assert.equal(await page.locator('img').count(), 0);
    await w.shot(page, 'door-light');
    await page.keyboard.press('Escape');
    await page.locator('#panel').waitFor({ state: 'hidden' });
  },

  // A page in a background tab closes its stream, and opens it again when it becomes visible.
  'hidden page stops the stream': async (w) => {
    const { page } = w;
    const seen = (state) => page.evaluate((s) => {
      Object.defineProperty(document, 'visibilityState', { value: s, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
    const stream = (r) => r.url().endsWith('/api/stream');
    const closed = page.waitForEvent('requestfailed', stream);
    await seen('hidden');
    await closed;
    const opened = page.waitForEvent('request', stream);
    await seen('visible');
    await opened;
    await row(page, 'front').waitFor();
  },

  'refused condition': async (w) => {
    const { page } = w;
    await page.fill('#words', 'building === 43');
    await page.locator('#words-fault', { hasText: 'the hub rejects the condition: query, line 1:' }).waitFor();
    await w.shot(page, 'fault-light');
    await page.fill('#words', 'SELECT * FROM devices WHERE floor = 3');
    await page.locator('#words-fault', { hasText: 'takes only the condition, the part of a query after WHERE: floor = 3' }).waitFor();
    await search(page, "tags.site = 'nowhere'", '0 of 4 doors');
    assert.match(await page.textContent('#list'), /No door matches/);
    assert.equal(await page.isVisible('#select-all'), false);
  },

  'lock by condition': async (w) => {
    const { page } = w;
    await select(page, working, '3 of 4 doors');
    await confirm(page, '#lock', { reason: 'closing time' });
    await page.locator('#panel h2', { hasText: 'Lock' }).waitFor();
    await page.locator('#panel .result').waitFor();
    assert.equal(await jobResult(page), '2 succeeded, 1 failed, of 3 doors');
    assert.match(await page.textContent('#panel .badge'), /1 failed/);
    assert.match(await page.textContent('#panel h2'), /^Lock 3 doors on 127\.0\.0\.1:\d+$/);
    await w.shot(page, 'job-light');
  },

  'reason of a failed device': async (w) => {
    const first = w.page.locator('#panel .results li').first();
    assert.match(await first.textContent(), /cellar.*refused.*500 jammed: the bolt sensor did not say locked within 1s/);
    assert.match(await w.page.textContent('#panel .advice'), /cellar.*check bolt, strike and frame/);
    assert.match(await w.page.locator('#jobs li').first().textContent(), /Lock 3 doors.*1 failed/);
  },

  // A retry is only for the door that failed.
  'retry the failed door': async (w) => {
    const { page } = w;
    await page.click('#panel button:has-text("Retry the failed door")');
    await page.locator('dialog', { hasText: /Lock 1 door again on 127\.0\.0\.1:\d+\?/ }).waitFor();
    assert.equal(await page.textContent('dialog .which'), 'cellar');
    await w.shot(page, 'retry-light');
    const first = new URL(page.url()).hash;
    await page.click('dialog button[type=submit]');
    await page.waitForFunction((hash) => location.hash !== hash, first);
    await page.locator('#panel .result', { hasText: '0 succeeded, 1 failed, of 1 door' }).waitFor();
    assert.match(await page.textContent('#panel h2'), /^Lock 1 door on /);
  },

  // A fault comes before all other doors, with the whole reason.
  'the list is live': async (w) => {
    const { page } = w;
    await page.click('#nav-doors');
    await page.click('#clear');
    await row(page, 'front').locator('.is-good', { hasText: 'Locked' }).waitFor();
    await page.locator('.alarms .door[data-id="cellar"] .is-bad', { hasText: 'Fault' }).waitFor();
    assert.equal((await ids(page))[0], 'cellar');
    assert.match(await page.textContent('.alarms .head'), /Needs attention.*1 door: 1 fault/);
    assert.match(await row(page, 'cellar').textContent(), /Building 43, floor 3.*The bolt sensor did not say locked within 1s.*Bolt jammed/);
    await w.shot(page, 'live-light');
    await page.click('#kind-fault');
    await page.locator('#count', { hasText: '1 of 4 doors' }).waitFor();
    assert.deepEqual(await ids(page), ['cellar']);
    await page.click('#kind-all');
    await page.locator('#count', { hasText: /^4 doors/ }).waitFor();
  },

  'unlock asks for confirmation': async (w) => {
    const { page } = w;
    await row(page, 'front').locator('input').check();
    await page.locator('#target', { hasText: '1 door selected' }).waitFor();
    await page.click('#unlock');
    await page.locator('dialog', { hasText: /Unlock 1 door on 127\.0\.0\.1:\d+\?/ }).waitFor();
    assert.equal(await page.textContent('dialog .which'), 'front');
    await w.shot(page, 'unlock-light');
    await page.click('dialog button:has-text("Cancel")');
    await page.locator('dialog').waitFor({ state: 'hidden' });
    assert.match(await row(page, 'front').textContent(), /Locked/);
    await confirm(page, '#unlock', { reason: 'delivery' });
    await page.locator('#panel .result').waitFor();
    assert.equal(await jobResult(page), '1 succeeded, 0 failed, of 1 door');
    await page.click('#nav-doors');
    await row(page, 'front').locator('.is-warn', { hasText: 'Unlocked' }).waitFor();
    await row(page, 'side').locator('.is-good', { hasText: 'Locked' }).waitFor();
  },

  'unlocking many doors asks for their number': async (w) => {
    const { page } = w;
    await select(page, working, '3 of 4 doors');
    await confirm(page, '#unlock', { typed: '2' });
    await page.locator('dialog [role=alert]', { hasText: 'Type 3' }).waitFor();
    await page.fill('dialog [name=typed]', '3');
    await page.click('dialog button[type=submit]');
    await page.locator('#panel .result').waitFor();
    await page.click('#nav-doors');
    await row(page, 'side').locator('.is-warn', { hasText: 'Unlocked' }).waitFor();
    await page.click('#clear');
  },

  'change a twin': async (w) => {
    const { page } = w;
    await row(page, 'front').locator('.name').click();
    await page.click('#panel button:has-text("Change twin")');
    await page.fill('dialog [name=desired]', '{"room": 12');
    await page.click('dialog button[type=submit]');
    await page.locator('dialog [role=alert]', { hasText: 'not valid JSON' }).waitFor();
    await page.fill('dialog [name=desired]', JSON.stringify({ room: longRoom }));
    await page.click('dialog button[type=submit]');
    await page.locator('#panel .result').waitFor();
    await page.click('#nav-doors');
    await row(page, 'front').locator('.place', { hasText: `Room ${longRoom}` }).waitFor();
  },

  // The question says how many doors are offline. The hub starts the job later, and the
  // user cancels the job before that.
  'schedule and cancel a job': async (w) => {
    const { page } = w;
    await row(page, 'attic').locator('input').check();
    await row(page, 'front').locator('input').check();
    await page.click('#unlock');
    await page.locator('dialog .caution', { hasText: '1 of these doors is offline. A command does not reach a door that is offline.' }).waitFor();
    await page.fill('dialog [name=start]', '2020-01-01T08:00');
    await page.click('dialog button[type=submit]');
    await page.locator('dialog [role=alert]', { hasText: 'The start is in the past' }).waitFor();
    const start = `${new Date().getFullYear() + 1}-06-01T08:30`;
    await page.fill('dialog [name=start]', start);
    await page.locator('dialog', { hasText: /Starts .*1 Jun.* 08:30 / }).waitFor();
    assert.equal(await page.isVisible('dialog [role=alert]'), false);
    await w.shot(page, 'schedule-light');
    assert.equal(await page.textContent('dialog button[type=submit]'), 'Schedule for later');
    await page.click('dialog button[type=submit]');
    await page.locator('#panel .badge', { hasText: 'Scheduled' }).waitFor();
    await page.locator('#panel', { hasText: /Starts .*1 Jun.* 08:30 / }).waitFor();
    assert.equal(await page.isVisible('#active-jobs'), false, 'a job that waits for its start is not running');
    await w.shot(page, 'scheduled-light');

    await page.click('#panel button:has-text("Cancel this job")');
    await page.locator('dialog', { hasText: /Cancel this job on 127\.0\.0\.1:\d+\?/ }).waitFor();
    await page.click('dialog button:has-text("Keep the job")');
    await page.click('#panel button:has-text("Cancel this job")');
    await page.click('dialog button[type=submit]');
    await page.locator('#panel .badge', { hasText: 'Cancelled before its start' }).waitFor();
    await page.locator('#jobs li .badge', { hasText: 'Cancelled before its start' }).waitFor();
    await page.click('#nav-doors');
    await row(page, 'front').locator('.is-warn', { hasText: 'Unlocked' }).waitFor();
  },

  // The list was scrolled down. The heading of another view is below the bar.
  'a new view begins at its heading': async (w) => {
    const { page } = w;
    await page.setViewportSize({ width: 1280, height: 240 });
    await page.evaluate(() => window.scrollTo(0, 400));
    await page.click('#nav-jobs');
    const heading = await page.locator('#jobs-title').boundingBox();
    const bar = await page.locator('.top').boundingBox();
    assert.ok(heading.y >= bar.y + bar.height, `heading at ${heading.y}, bar ends at ${bar.y + bar.height}`);
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.click('#nav-doors');
  },

  // Reload the page and lock a door without the mouse.
  'keyboard only': async (w) => {
    const { page } = w;
    await page.goto(`${w.base}/`);
    await row(page, 'cellar').waitFor();
    const focus = () => page.evaluate(() => {
      const e = document.activeElement;
      return e.id || e.closest('[data-id]')?.dataset.id || e.textContent.trim();
    });
    const tabTo = async (name) => {
      for (let i = 0; i < 40; i += 1) {
        await page.keyboard.press('Tab');
        if (await focus() === name) return;
      }
      assert.fail(`the Tab key does not reach ${name}; the focus is on ${await focus()}`);
    };
    await tabTo('side'); // the first door of the list
    await page.keyboard.press('ArrowDown');
    assert.equal(await focus(), 'front');
    await page.keyboard.press('Enter');
    await page.locator('#panel h2', { hasText: 'front' }).waitFor();
    assert.equal(await focus(), 'panel');
    await page.locator('#panel details').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await focus(), 'front', 'the focus returns');
    await page.keyboard.press('Space');
    await page.locator('#target', { hasText: '1 door selected' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focus(), 'untick', 'the Tab key leaves the list');
    await tabTo('lock');
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await page.locator('#panel .result').waitFor();
    assert.equal(await jobResult(page), '1 succeeded, 0 failed, of 1 door');
  },

  // A rollout that was started in a terminal and stopped at its first wave.
  'rollout': async (w) => {
    const { page } = w;
    await page.click('#nav-rollouts');
    await page.locator('#rollouts li', { hasText: 'Call nothing on 3 doors' }).waitFor();
    await page.click('#rollouts a');
    await page.locator('#panel .waves li', { hasText: 'Wave 2' }).waitFor();
    assert.equal(await page.locator('#panel .waves .is-passed').count(), 0, 'no green dot in an aborted rollout');
    assert.match(await page.textContent('#panel .badge'), /Aborted/);
    assert.match(await page.textContent('#panel .results'), /cellar.*refused.*404 unknown-method/);
    await w.shot(page, 'rollout-light');
  },

  // The rollout calls the door of its first wave again. The door refuses the method again,
  // so the rollout is aborted before it calls the other doors. Without that door, another
  // door takes its place and refuses, too.
  'resume a rollout': async (w) => {
    const { page } = w;
    const results = page.locator('#panel .results');
    await page.click('#panel button:has-text("Resume, 3 doors to call")');
    await page.locator('dialog', { hasText: /Resume “Call nothing on 3 doors” on 127\.0\.0\.1:\d+\?/ }).waitFor();
    assert.match(await page.textContent('dialog .which'), /cellar, front, side|cellar, side, front/);
    assert.match(await page.textContent('dialog'), /aborts if more than 0% of a wave’s doors fail/);
    await w.shot(page, 'resume-light');
    await page.click('dialog button[type=submit]');
    await page.click('#nav-jobs');
    await page.locator('#jobs li', { hasText: 'Call nothing on 1 door' }).nth(1).waitFor();
    await page.goBack();
    await page.locator('#panel .badge', { hasText: 'Aborted' }).waitFor();
    await results.locator('li', { hasText: 'cellar' }).waitFor();

    await page.click('#panel button:has-text("Skip the failed door and resume")');
    await page.locator('dialog', { hasText: 'Skipped: cellar.' }).waitFor();
    assert.match(await page.textContent('dialog .which'), /^(front, side|side, front)$/);
    await page.click('dialog button[type=submit]');
    await results.locator('li', { hasText: /front|side/ }).waitFor();
    await page.locator('#panel .badge', { hasText: 'Aborted' }).waitFor();
    await page.locator('#panel .waves li', { hasText: '1 skipped' }).waitFor();
    await page.click('#panel .panel-head button');
    assert.equal(new URL(page.url()).hash, '#rollouts');
  },

  'no serious finding by axe': async (w) => {
    const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
    const storageState = await w.context.storageState();
    const findings = [];
    for (const colorScheme of ['light', 'dark']) {
      const context = await w.browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme, storageState, bypassCSP: true });
      const page = await context.newPage();
      const check = async (name) => {
        await w.shot(page, `${name}-${colorScheme}-axe`);
        await page.evaluate(axe);
        const rules = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : {}; // only colours differ from the light scheme
        const { violations: broken } = await page.evaluate((options) => axe.run(options), rules);
        for (const v of broken) {
          if (v.impact === 'serious' || v.impact === 'critical') findings.push(`${colorScheme}, ${name}: ${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).join('; ')}`);
        }
      };
      await page.goto(`${w.base}/`);
      await row(page, 'front').waitFor();
      await row(page, 'cellar').locator('input').check();
      await check('doors');
      await page.click('#untick');
      await row(page, 'cellar').locator('.name').click();
      await page.locator('#panel details').waitFor();
      await check('door');
      await page.click('#panel button:has-text("Unlock")');
      await page.locator('dialog[open]').waitFor();
      await check('question');
      await page.keyboard.press('Escape');
      await page.click('#nav-jobs');
      await page.locator('#jobs a').nth(-2).click();
      await page.locator('#panel .results').waitFor();
      await check('job');
      await page.click('#nav-rollouts');
      await page.click('#rollouts a');
      await page.locator('#panel .waves').waitFor();
      await check('rollout');
      await context.clearCookies();
      await page.goto(`${w.base}/`);
      await check('refused');
      await context.close();
    }
    assert.deepEqual(findings, []);
  },

  phone: async (w) => {
    const context = await w.browser.newContext({
      viewport: { width: 390, height: 800 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark',
      storageState: await w.context.storageState(),
    });
    const page = await context.newPage();
    watch(page, w.base);
    await page.goto(`${w.base}/`);
    await row(page, 'front').waitFor();
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(await wide(), 0, 'the page does not scroll sideways');
    await w.shot(page, 'phone-dark');
    const floor = await page.locator('.floor h3').first().boundingBox();
    assert.ok(floor.height < 40, `"Floor 3" wraps: ${JSON.stringify(floor)}`);
    assert.deepEqual(await clipped(page), []);
    await row(page, 'front').locator('.tick').tap();
    for (const id of ['lock', 'unlock', 'twin']) {
      const box = await page.locator(`#${id}`).boundingBox();
      assert.ok(box.height >= 44 && box.y + box.height <= 800, `#${id} is ${JSON.stringify(box)}`);
    }
    await page.locator('#unlock').tap();
    await page.locator('dialog[open]').waitFor();
    await w.shot(page, 'phone-unlock-dark');
    await page.locator('dialog button:has-text("Cancel")').tap();
    await row(page, 'cellar').locator('.name').tap();
    await page.locator('#panel details').waitFor();
    const panel = await page.locator('#panel').boundingBox();
    assert.deepEqual([panel.x, panel.width, panel.height], [0, 390, 800]);
    assert.equal(await wide(), 0);
    assert.deepEqual(await clipped(page), []);
    await w.shot(page, 'phone-door-dark');
    await page.keyboard.press('Escape');
    await page.locator('#nav-jobs').tap();
    await page.locator('#jobs li').first().waitFor();
    assert.equal(await wide(), 0);
    await w.shot(page, 'phone-jobs-dark');
    await context.close();
  },

  'nothing from other addresses': () => assert.deepEqual(violations, []),
};
