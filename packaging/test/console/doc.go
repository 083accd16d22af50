// Package console tests latchctl's page in a real browser: Debian's Chromium, led
// by playwright-core, in front of a latchhub and real agents.
//
// "npm ci" in this folder installs what leads the browser. Without it, or
// without Chromium, the tests are skipped, loudly; where CI is set that is a
// failure. SHOTS names a folder for pictures of the page, to be looked at.
package console
