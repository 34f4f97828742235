// A visit to the dashboard at / in a real browser, which faults of the page fail.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway } from "./gateway.mjs";
import { Nginx } from "./nginx.mjs";

export const key = "dashboard-0123456789abcdef";
export const publishOnly = "publisher-0123456789abcdef";
export const admin = "administrator-0123456789abcdef";
let gateway, browser, base;

// setUp starts a gateway and a browser for all tests of a file. With front, an nginx is before the gateway, and the page
// is below path: front gives its servers for the gateway's address.
export function setUp({ front, path = "" } = {}) {
  let proxy;
  before(async () => {
    gateway = new Gateway({
      ADMIN_KEY: admin, DATA_DIR: "data",
      API_KEYS: JSON.stringify([{ name: "web", key, sub: ["*"], pub: ["*"] }, { name: "sensor", key: publishOnly, pub: ["reading"] }]),
    });
    base = await gateway.start();
    if (front) {
      proxy = new Nginx(front(base));
      base = await proxy.start() + path;
    }
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await proxy?.remove();
    await gateway?.remove();
  });
  return { url: path => base + path, direct: () => gateway.direct, start: () => gateway.start(), kill: () => gateway.stop("SIGKILL") };
}

// refusals are what the browser itself prints of answers that a test provokes.
const refusals = /^Failed to load resource: .*(40[01349]|412|503|ERR_FAILED|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING)/;

// visit opens the page and fails the test on any fault that the page causes.
export async function visit(t, credential, { provoked = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  const faults = [], addresses = [];
  page.on("pageerror", e => faults.push(e.stack));
  page.on("console", m => m.type() === "error" && !(provoked && refusals.test(m.text())) && faults.push(m.text()));
  page.on("dialog", d => faults.push(`a dialog of the browser: ${d.message()}`) && d.dismiss());
  page.on("request", r => addresses.push(r.url()));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", e => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
  t.after(async () => {
    await page.unrouteAll({ behavior: "ignoreErrors" }); // an answer may be on its way while the page closes
    await context.close();
    assert.deepEqual(faults, []);
    for (const secret of [key, admin, publishOnly])
      assert.ok(!addresses.some(a => new URL(a).search.includes(secret) || new URL(a).pathname.includes(secret)), "a credential went out in an address");
    assert.ok(addresses.every(a => a === base || a.startsWith(`${base}/`) || a.startsWith("data:")), `something else was asked: ${addresses}`);
  });
  await page.goto(base + (credential ? `/#apikey=${credential}` : "/"));
  if (credential) await page.waitForFunction(() => location.hash === "");
  return page;
}

export const live = (page, id = "events-state") => page.locator(`#${id}[data-state=live]`).waitFor();
export const rows = page => page.locator("#event-list > li.event:visible");
export const copied = page => page.evaluate(() => navigator.clipboard.readText());

// goTo chooses a page in the menu, which a narrow screen has behind a button.
export async function goTo(page, title) {
  const menu = page.locator("#menu");
  if (await menu.isVisible() && await menu.getAttribute("aria-expanded") !== "true") await menu.click();
  await page.getByRole("link", { name: title, exact: true }).click();
}

export async function shot(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
}

export async function publish(event, as = key) {
  const r = await fetch(base + "/realtime", { method: "POST", body: JSON.stringify(event), headers: { "x-apikey": as, "content-type": "application/json" } });
  return { status: r.status, ...await r.json() };
}

export async function publishMany(length) {
  const lines = Array.from({ length }, (_, n) => JSON.stringify({ event: "many", data: n })).join("\n");
  const r = await fetch(base + "/realtime", { method: "POST", body: lines, headers: { "x-apikey": key, "content-type": "application/x-ndjson" } });
  assert.equal(r.status, 200);
}

export async function signIn(page, value) {
  await page.getByLabel("API key, token or admin key").fill(value);
  await page.getByRole("button", { name: "Connect" }).click();
}
