'use strict';
// The page in front of 10,000 doors.

const assert = require('node:assert/strict');

const bound = 200; // ms of script time
const rounds = 5; // at the most: the machine may be busy with other tests, so the best counts

const floor = "tags.building = '42' AND tags.floor = 3";

module.exports = {
  'listed and filtered within 200 ms of script time': async (w) => {
    w.context = await w.browser.newContext({ viewport: { width: 1280, height: 800 } });
    w.page = await w.context.newPage();
    const { page } = w;
    const session = await w.context.newCDPSession(page);
    await session.send('Performance.enable');
    const scripts = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return 1000 * metrics.find((m) => m.name === 'ScriptDuration').value;
    };
    await page.goto(w.url);
    const best = { listed: Infinity, filtered: Infinity, cleared: Infinity };
    const spent = async (name, act) => {
      const before = await scripts();
      await act();
      best[name] = Math.min(best[name], await scripts() - before);
    };
    const good = () => Object.values(best).every((ms) => ms <= bound);
    let round = 0;
    for (; round < rounds && !good(); round += 1) {
      await page.goto('about:blank');
      await spent('listed', async () => {
        await page.goto(`${w.base}/`);
        await page.locator('#count', { hasText: '10,000 doors' }).waitFor();
        await page.locator('.door[data-id="door-00-000"]').waitFor();
      });
      await spent('filtered', async () => {
        await page.fill('#where', floor);
        await page.locator('#count', { hasText: '500 of 10,000 doors' }).waitFor();
        await page.locator('.door[data-id="door-13-000"]').waitFor();
      });
      await spent('cleared', async () => {
        await page.click('#clear');
        await page.locator('.door[data-id="door-00-000"]').waitFor();
      });
    }
    await w.shot(page, 'many');
    const figures = Object.entries(best).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(', ');
    assert.ok(good(), figures);
    assert.equal(await page.locator('.building').count(), 4);
    assert.equal(await page.locator('.floor').count(), 20);
    assert.match(await page.locator('.floor .tally').first().textContent(), /500 unknown/);
    assert.ok(await page.locator('.door').count() < 400, 'only rows near what is looked at exist');
    return `script time, best of ${round}: ${figures}`;
  },

  'the last door by the End key': async (w) => {
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
