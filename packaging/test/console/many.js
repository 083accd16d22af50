'use strict';
// Cases for a page with 10,000 doors.

const assert = require('node:assert/strict');

const bound = 200; // maximum script time, in milliseconds of the page's thread
const rounds = 5; // maximum number of attempts; the best counts, because other tests may keep the machine busy

const floor = "tags.building = '42' AND tags.floor = 3";

module.exports = {
  'listed and filtered within 200 ms of script time': async (w) => {
    w.context = await w.browser.newContext({ viewport: { width: 1280, height: 800 } });
    w.page = await w.context.newPage();
    const { page } = w;
    const session = await w.context.newCDPSession(page);
    // Other programs on the machine use wall time, but not this thread's time.
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const scripts = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return 1000 * metrics.find((m) => m.name === 'ScriptDuration').value;
    };
    await page.goto(w.url);
    const best = { listed: Infinity, unfolded: Infinity, found: Infinity, filtered: Infinity, selected: Infinity, cleared: Infinity };
    const spent = async (name, act) => {
      const before = await scripts();
      await act();
      best[name] = Math.min(best[name], await scripts() - before);
    };
    const isWithinBound = () => Object.values(best).every((ms) => ms <= bound);
    let round = 0;
    for (; round < rounds && !isWithinBound(); round += 1) {
      await page.goto('about:blank');
      await spent('listed', async () => {
        await page.goto(`${w.base}/`);
        await page.locator('#count', { hasText: '10,000 doors' }).waitFor();
        await page.locator('.building').nth(3).waitFor();
      });
      await spent('unfolded', async () => {
        await page.locator('.building .fold').first().click();
        await page.locator('.floor .fold >> visible=true').first().click();
        await page.locator('.door[data-id="door-00-000"]').waitFor();
      });
      await spent('found', async () => {
        await page.fill('#words', 'building 42 floor 3 door-13-2');
        await page.locator('#count', { hasText: '100 of 10,000 doors' }).waitFor();
        await page.locator('.door[data-id="door-13-200"]').waitFor();
      });
      await spent('filtered', async () => {
        await page.fill('#words', floor);
        await page.locator('#count', { hasText: '500 of 10,000 doors' }).waitFor();
        await page.locator('.door[data-id="door-13-000"]').waitFor();
      });
      await spent('selected', async () => {
        await page.click('#select-all');
        await page.locator('#target', { hasText: '500 doors selected, 500 offline' }).waitFor();
      });
      await spent('cleared', async () => {
        await page.click('#clear');
        await page.locator('.door[data-id="door-00-000"]').waitFor();
      });
    }
    await w.shot(page, 'many');
    const figures = Object.entries(best).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(', ');
    assert.ok(isWithinBound(), figures);
    assert.equal(await page.locator('.building').count(), 4);
    assert.equal(await page.locator('.floor').count(), 20);
    assert.match(await page.locator('.floor .tally').first().textContent(), /500 doors: 500 offline/);
    assert.ok(await page.locator('.door').count() < 400, 'only rows near the visible part exist');
    return `script time, best of ${round}: ${figures}`;
  },

  'End key shows the last door': async (w) => {
    const { page } = w;
    await page.locator('.door .name').first().focus();
    await page.keyboard.press('End');
    const last = page.locator('.door[data-id="door-19-499"]');
    await last.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'door-19-499');
    assert.equal(await last.getAttribute('aria-posinset'), '500');
    await page.keyboard.press('Home');
    await page.locator('.door[data-id="door-00-000"] .name:focus').waitFor();
  },
};
