// The hooks for React, with React 18 and 19 in a browser, in strict mode.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { build } from "esbuild";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { closeSites, serve } from "./sdk-browser.mjs";
import { Proxy, connections, key, settings } from "./sdk-tools.mjs";

const sdk = join(import.meta.dirname, "..", "public", "sdk");
const packages = { 18: { react: "react", "react-dom": "react-dom" }, 19: { react: "react-19", "react-dom": "react-dom-19" } };
let gateway, base, browser;

before(async () => {
  gateway = new Gateway(settings);
  base = await gateway.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  closeSites();
  await gateway?.remove();
});

// bundle builds a file for a version of React, in its development mode, which has the checks.
async function bundle(version, entry, options) {
  const require = createRequire(import.meta.url), of = packages[version];
  const { outputFiles: [file] } = await build({
    ...entry, bundle: true, format: "esm", write: false, define: { "process.env.NODE_ENV": '"development"' }, ...options, logLevel: "error",
    alias: {
      "sluice-client": join(sdk, "sluice.js"), "sluice-client/react": join(sdk, "react.js"), react: join(require.resolve(of.react + "/package.json"), ".."),
      "react-dom": join(require.resolve(of["react-dom"] + "/package.json"), ".."),
    },
  });
  return file.text;
}

async function post(events) {
  const r = await fetch(base + "/realtime", { method: "POST", body: JSON.stringify(events), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(r.status, 200);
  return r.json();
}

for (const version of [18, 19]) describe(`React ${version}`, () => {
  let site, page, context, html = "", faults, expected;

  before(async () => {
    const app = await bundle(version, { entryPoints: [join(import.meta.dirname, "react-app.mjs")] });
    site = await serve(request => request.url === "/app.js" ? ["text/javascript", app] : ["text/html", `<!doctype html><title>x</title><div id=root>${html}</div>`]);
  });

  // open loads the page; mounted shows components in it. Only what a test expects may be on the console.
  async function open() {
    context = await browser.newContext();
    page = await context.newPage();
    faults = [];
    expected = /^Failed to load resource/; // what the browser itself prints of an answer
    page.on("pageerror", e => faults.push(e.message));
    page.on("console", m => ["error", "warning"].includes(m.type()) && faults.push(m.text()));
    await page.goto(site);
    await page.evaluate(() => {
      const { fetch } = window;
      window.fetched = [];
      window.fetch = async (url, init) => {
        fetched.push(String(url));
        if (window.held && /stream=/.test(url) && !/until=/.test(url)) await held.promise;
        return fetch(url, init);
      };
      return import("/app.js");
    });
  }
  const described = (children, more = {}) => ({ provider: { url: base, options: { apikey: key }, ...more }, children });
  async function mounted(children, more) {
    await open();
    await page.evaluate(what => mount(what), described(children, more));
  }
  const change = (children, more) => page.evaluate(what => window.change(what), described(children, more));
  const view = async id => JSON.parse(await page.locator(`#${id}`).textContent());
  const views = (id, want, what = `${id}: ${want}`) => poll(what, async () => {
    const is = await view(id).catch(() => null);
    return is && want(is) && is;
  });
  const status = (id, want) => views(id, v => v.status === want);
  const data = list => list.map(e => e.data);
  const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);
  const ticks = (from, to, more) => post(numbers(from, to).map(data => ({ event: "tick", data, ...more })));
  const name = what => `${what}-${version}`;

  afterEach(async () => {
    await context?.close();
    assert.deepEqual(faults.filter(f => !expected.test(f)), []);
    await poll("no stream left", async () => await connections(base) === 0);
  });

  test("components show the events of channels, once each, over one connection, all the same at the same time", { timeout: 60_000 }, async () => {
    await mounted([["Channel", { id: "a", of: "tick" }], ["Channel", { id: "b", of: "tick" }], ["Channel", { id: "c", of: ["tick", "tick:*", "tock"], last: 3 }]]);
    for (const id of "abc") await status(id, "open");
    assert.equal(await connections(base), 1);
    for (let n = 0; n < 50; n += 10) await ticks(n, n + 10, { collection: "x" });
    await post({ event: "tock", data: "tock" });
    assert.equal((await views("a", v => v.events.length >= 50)).event.data, 49);
    assert.deepEqual(data((await view("a")).events), numbers(0, 50));
    assert.deepEqual(data((await views("c", v => v.event?.data === "tock")).events), [48, 49, "tock"]);
    const apart = await page.evaluate(() => commits.filter(({ a, b }) => a !== b).length);
    assert.equal(apart, 0, "a change of the page that shows two states");
    await page.evaluate(() => unmount());
    await poll("the connection ends with the page", async () => await connections(base) === 0);
  });

  test("other channels begin anew, undefined reads nothing, a bad channel is the component's error", { timeout: 60_000 }, async () => {
    await mounted([["Channel", { id: "a", of: "tick" }], ["Channel", { id: "n" }], ["Stream", { id: "s" }]]);
    await status("a", "open");
    assert.equal((await view("n")).status, "idle");
    assert.equal((await view("s")).status, "idle");
    await ticks(0, 1);
    await views("a", v => v.event);
    await change([["Channel", { id: "a", of: "tock" }], ["Channel", { id: "n", of: "tick" }], ["Stream", { id: "s" }]]);
    await views("a", v => !v.event && v.status === "open");
    await post([{ event: "tick", data: 2 }, { event: "tock", data: 3 }]);
    assert.deepEqual(data((await views("a", v => v.event)).events), [3]);
    assert.deepEqual(data((await views("n", v => v.event?.data === 2)).events), [0, 2], "what a had of the channel is shared");
    assert.equal(await connections(base), 1);
    assert.equal((await page.evaluate(() => fetched)).length, 1, "one request, for the live stream");
    expected = /no channel|The above error|error boundary/i;
    await change([["Caught", { id: "e" }, ["Channel", { id: "a", of: "put" }]]]);
    await poll("the error", async () => /no channel/.test(await page.locator("#e").textContent().catch(() => "")));
  });

  test("a stream is read from its beginning by pages, then live; two components read it once", { timeout: 60_000 }, async () => {
    const of = name("pages"), stream = { stream: of };
    await ticks(0, 25, stream);
    await mounted([["Stream", { id: "a", of, limit: 10 }], ["Stream", { id: "b", of, limit: 10 }], ["Stream", { id: "l", of, last: 4 }], ["Stream", { id: "p", of, until: "caught-up" }]]);
    assert.deepEqual(data((await status("a", "paused")).entries), numbers(0, 10));
    assert.deepEqual(data((await status("l", "live")).entries), numbers(21, 25));
    assert.deepEqual(data((await status("p", "ended")).entries), numbers(0, 25));
    await page.evaluate(() => shown.a.at(-1).more());
    await views("a", v => v.entries.length === 20 && v.status === "paused");
    await page.evaluate(() => shown.b.at(-1).more());
    assert.deepEqual(data((await status("a", "live")).entries), numbers(0, 25));
    await ticks(25, 30, stream);
    assert.deepEqual(data((await views("a", v => v.entries.length >= 30)).entries), numbers(0, 30), "exactly as many as have room");
    assert.equal((await view("a")).status, "live");
    assert.deepEqual(data((await views("l", v => v.entries.at(-1).data === 29)).entries), numbers(26, 30));
    await ticks(30, 31, stream);
    await status("a", "paused");
    assert.deepEqual(data((await view("b")).entries), numbers(0, 30));
    assert.equal(await page.evaluate(() => commits.filter(({ a, b }) => a !== b).length), 0);
    assert.equal((await view("p")).entries.length, 25);
    const requests = (await page.evaluate(() => fetched)).filter(url => /limit=/.test(url));
    assert.equal(requests.length, 3, `a page each: ${requests.join("\n")}`);
  });

  test("an empty stream misses nothing between its past and what comes; a retraction removes its entry", { timeout: 60_000 }, async () => {
    const of = name("empty"), stream = { stream: of };
    await open();
    await page.evaluate(what => { // the stream's past is read, and what follows it is not yet
      window.held = {};
      held.promise = new Promise(done => held.end = done);
      mount(what);
    }, described([["Stream", { id: "a", of }], ["Stream", { id: "l", of, last: 5 }], ["Channel", { id: "c", of: "tick" }], ["Publisher", { id: "p" }]]));
    for (const id of "al") await status(id, "live");
    await status("c", "open");
    const ids = await page.evaluate(async stream => [
      await connections.p.publish("tick", 0, { stream }), await connections.p.publish("tick", 1, { stream }), await connections.p.publish("tick", 2, { stream }),
    ], of);
    await page.evaluate(() => held.end());
    for (const id of "al") assert.deepEqual((await views(id, v => v.entries.length === 3)).entries.map(e => e.id), ids);
    await page.evaluate(id => connections.p.retract(id), ids[1]);
    for (const id of "al") assert.deepEqual((await views(id, v => v.entries.at(-1)?.event === "retract")).entries.map(e => e.id).slice(0, -1), [ids[0], ids[2]]);
    assert.deepEqual(data((await views("c", v => v.events.length === 2)).events), [0, 2]);
  });

  test("a cut is shown, and nothing is missing behind it", { timeout: 60_000 }, async t => {
    const proxy = new Proxy(base), of = name("cut"), stream = { stream: of };
    await proxy.start();
    t.after(() => proxy.stop());
    await mounted([["Channel", { id: "a", of: "tick" }], ["Stream", { id: "s", of }]], { url: proxy.url });
    await status("s", "live");
    await status("a", "open");
    await ticks(0, 3, stream);
    await views("s", v => v.entries.length === 3);
    proxy.down = true;
    proxy.cut();
    await poll("the cut", async () => ["connecting", "waiting"].includes((await view("a")).status) && ["connecting", "waiting"].includes((await view("s")).status));
    await ticks(3, 6, stream);
    proxy.down = false;
    assert.deepEqual(data((await views("s", v => v.entries.length >= 6 && v.status === "live")).entries), numbers(0, 6));
    assert.deepEqual(data((await views("a", v => v.events.length >= 6 && v.status === "open")).events), numbers(0, 6));
    assert.equal((await view("a")).gap, undefined);
  });

  test("gaps and refusals are in what the hooks return", { timeout: 60_000 }, async () => {
    await mounted([["Channel", { id: "a", of: "tick" }]], { options: { apikey: key, lastEventId: "12" } });
    assert.equal((await views("a", v => v.gap)).gap.reason, "unknown");
    await change([["Channel", { id: "a", of: "tick" }], ["Stream", { id: "s", of: "x" }]], { key: "other", options: { apikey: "wrong" } });
    assert.equal((await status("a", "closed")).error, "invalid_key");
    assert.equal((await status("s", "closed")).error, "invalid_key");
    // Who comes later learns why, too.
    await change([["Channel", { id: "a", of: "tick" }], ["Channel", { id: "late", of: "tock" }]], { key: "other", options: { apikey: "wrong" } });
    assert.equal((await status("late", "closed")).error, "invalid_key");
    await change([["Channel", { id: "a", of: "tick" }]], { key: "right" });
    assert.equal((await status("a", "open")).error, undefined);
    assert.equal(await connections(base), 1);
  });

  test("another url, and a connection of one's own, which stays open", { timeout: 60_000 }, async t => {
    const proxy = new Proxy(base);
    await proxy.start();
    t.after(() => proxy.stop());
    await mounted([["Channel", { id: "a", of: "tick" }]]);
    await status("a", "open");
    await change([["Channel", { id: "a", of: "tick" }]], { url: proxy.url });
    await poll("the other", () => proxy.pairs.size > 0);
    await status("a", "open");
    await poll("the first is closed", async () => await connections(base) === 1);
    await ticks(0, 1);
    await views("a", v => v.event);
    await context.close();
    await open();
    await page.evaluate(([url, apikey]) => {
      window.rt = connect(url, { apikey });
      const { on } = rt;
      window.listeners = 0;
      rt.on = (...args) => {
        const end = on(...args);
        listeners++;
        return () => (listeners--, end());
      };
      mount({ provider: { connection: rt }, children: [["Channel", { id: "a", of: "tick" }]] });
    }, [base, key]);
    await status("a", "open");
    await page.evaluate(() => unmount());
    await poll("no listener left", () => page.evaluate(() => listeners === 0));
    assert.equal(await page.evaluate(() => rt.state), "open");
  });

  test("a server renders what the page then takes over", { timeout: 60_000 }, async () => {
    const children = [["Channel", { id: "a", of: "tick" }], ["Stream", { id: "s", of: name("server") }], ["Publisher", { id: "p" }]];
    const code = await bundle(version, { stdin: { resolveDir: import.meta.dirname, contents: `
      import { renderToString } from "react-dom/server";
      import { page } from "./react-app.mjs";
      process.stdout.write(renderToString(page(${JSON.stringify({ provider: { url: "/live" }, children })})));` } }, { platform: "node", format: "cjs" });
    const server = spawnSync(process.execPath, ["-"], { input: code, encoding: "utf8", timeout: 30_000 });
    assert.equal(server.status, 0, server.stderr);
    html = server.stdout;
    assert.match(html, /connecting/);
    await ticks(0, 2, { stream: name("server") });
    await open();
    await page.evaluate(what => hydrate(what), described(children));
    html = "";
    await status("a", "open");
    assert.deepEqual(data((await status("s", "live")).entries), [0, 1]);
  });
});
