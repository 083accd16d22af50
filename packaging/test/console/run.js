'use strict';
// Runs the cases of a file in a browser: node run.js ./doors. Each case prints a line,
// "case {...}", which contains the error of a failed case. The first failure stops the run.
//
// Environment:
//   BROWSER  path of the browser
//   CONSOLE  address that latchctl console printed
//   SHOTS    folder for screenshots; without it no screenshots are taken

const { chromium } = require('playwright-core');
const path = require('node:path');

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.BROWSER,
    args: process.getuid() === 0 ? ['--no-sandbox'] : [], // Chromium's sandbox does not work for root
  });
  const world = {
    browser,
    url: process.env.CONSOLE,
    base: new URL(process.env.CONSOLE).origin,
    shot: async (page, name) => {
      if (process.env.SHOTS) await page.screenshot({ path: path.join(process.env.SHOTS, `${name}.png`) });
    },
  };
  for (const [name, run] of Object.entries(require(process.argv[2]))) {
    try {
      const note = await run(world);
      console.log(`case ${JSON.stringify({ case: name, note })}`);
    } catch (err) {
      console.log(`case ${JSON.stringify({ case: name, error: String(err.stack ?? err) })}`);
      process.exitCode = 1;
      break;
    }
  }
  await browser.close();
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
