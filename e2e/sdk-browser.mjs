// What the SDK's tests in a browser share: origins, tabs and what these have seen.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { connections, key, settings } from "./sdk-tools.mjs";

const source = readFileSync(join(import.meta.dirname, "..", "public", "sdk", "sluice.js"));
const sites = [];

// serve makes an origin. answers gives the type and the text of an answer, or an address to go to.
export async function serve(answers) {
  const server = createServer((request, answer) => {
    const [type, text] = [answers(request)].flat();
    if (text === undefined) answer.writeHead(301, { location: type }).end();
    else answer.writeHead(200, { "content-type": type }).end(text);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  sites.push(server);
  return `http://127.0.0.1:${server.address().port}/`;
}

// site serves the SDK, an empty page, and a redirect.
export const site = () => serve(({ url }) => url.startsWith("/moved") ? "/"
  : url.startsWith("/sluice.js") ? ["text/javascript", source] : ["text/html", "<!doctype html><title>x</title>"]);

export const closeSites = () => sites.forEach(s => s.close());

// openTab opens a page that collects the ticks, and does not wait for its stream; options are those of connect.
export async function openTab(context, url, options, address) {
  const page = await context.newPage();
  page.on("pageerror", e => assert.fail(e));
  await page.goto(url);
  await page.evaluate(async ([address, options]) => {
    const { connect } = await import("/sluice.js");
    window.got = [];
    window.told = [];
    if (options.tokens) {
      window.asked = 0;
      options.token = async () => options.tokens[Math.min(asked++, options.tokens.length - 1)];
    }
    window.rt = connect(address, options);
    rt.on("tick", e => got.push(e.data));
    for (const notice of ["connect", "disconnect", "reconnect", "gap", "expired", "error"]) rt.on(notice, e => told.push([notice, e.message ?? e.reason]));
  }, [address, { apikey: key, channels: ["tick"], ...options }]);
  return page;
}

export const got = page => page.evaluate(() => got);

// all waits until every page has so many, and checks that it is just what was published.
export async function all(pages, want) {
  await Promise.all(pages.map(async (page, i) => {
    await poll(`tab ${i}`, async () => (await page.evaluate(() => got.length)) >= want.length);
    assert.deepEqual(await got(page), want, `tab ${i}`);
    assert.deepEqual((await page.evaluate(() => told)).filter(([n]) => n === "gap" || n === "error"), []);
  }));
}

// lead is the index of the page that holds the lock, or -1.
export async function lead(pages) {
  const { held } = await pages[0].evaluate(() => navigator.locks.query());
  const clients = await Promise.all(pages.map(p => p.evaluate(async () => {
    window.client ??= await new Promise(done => navigator.locks.request("probe-" + Math.random(), async lock => {
      const all = await navigator.locks.query();
      done(all.held.find(l => l.name === lock.name).clientId);
    }));
    return client;
  })));
  return clients.indexOf(held.find(l => l.name.startsWith("sluice-"))?.clientId);
}

// session runs a gateway and a browser for the tests of a file. Each test makes its context, which ends with the test.
// opens is how many milliseconds a tab may take to open its stream.
export function session(opens = 10_000) {
  const gateway = new Gateway(settings);
  const s = { base: "", browser: null, context: null };

  before(async () => {
    s.base = await gateway.start();
    s.browser = await launch();
  });

  afterEach(async () => {
    await s.context?.close();
    await poll("no stream left", async () => await connections(s.base) === 0);
  });

  after(async () => {
    await s.browser?.close();
    closeSites();
    await gateway.remove();
  });

  let sent = 0;
  s.publish = async (n = 1, name = "tick") => {
    const events = Array.from({ length: n }, () => ({ event: name, data: sent++ }));
    const r = await fetch(s.base + "/realtime", { method: "POST", body: JSON.stringify(events), headers: { "x-apikey": key, "content-type": "application/json" } });
    assert.equal(r.status, 200);
    return events.map(e => e.data);
  };

  // tab opens a page, and waits until its stream is open.
  s.tab = async (url, options, address = s.base) => {
    const page = await openTab(s.context, url, options, address);
    await page.waitForFunction(() => rt.state === "open", null, { timeout: opens });
    return page;
  };
  return s;
}
