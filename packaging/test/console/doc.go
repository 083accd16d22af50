// Package console tests the page of latchctl console in a real browser, with a real
// latchhub and real agents. The browser is Debian's Chromium, controlled by
// playwright-core.
//
// Run "npm ci" in this folder to install playwright-core. Without it, or without
// Chromium, the tests are skipped with a message; if CI is set, they fail instead. Set
// SHOTS to a folder to save screenshots of the page there.
package console
