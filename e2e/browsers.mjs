// The browser that the tests run in: Chromium, or with BROWSER=firefox the Firefox of the system.
import assert from "node:assert/strict";
import { chromium, firefox } from "playwright-core";

const kinds = {
  chromium: {
    type: chromium, executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  },
  // playwright drives only a Firefox that it patched itself, unless a channel makes it speak WebDriver BiDi, which any
  // Firefox understands.
  firefox: { type: firefox, executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr", channel: "moz-firefox" },
};
export const names = Object.keys(kinds);

// name is the browser of the tests that run in one.
export const name = process.env.BROWSER || "chromium";
assert.ok(kinds[name], `BROWSER is ${names.join(" or ")}`);

// options are those of playwright for a browser, with more of them for each.
function options(name, more) {
  const { type, ...own } = kinds[name];
  return { ...own, ...more[name] };
}

// launch starts a browser. more has what playwright is to do besides, under the browsers' names.
export const launch = (more = {}, which = name) => kinds[which].type.launch(options(which, more));

// launchIn starts a browser with a profile of its own in a folder.
export const launchIn = (folder, more = {}) => kinds[name].type.launchPersistentContext(folder, options(name, more));
