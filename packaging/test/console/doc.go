// Package console tests the web page of "latchctl console" in a real browser, with a
// real latchhub and real agents. The browser is Debian's Chromium, controlled by
// playwright-core.
//
// Run "npm ci" in this folder to install playwright-core. Without playwright-core or
// Chromium, the tests are skipped with a message; if the environment variable CI is
// set, they fail instead. Set the environment variable SHOTS to a folder to save
// screenshots of the page there.
package console
