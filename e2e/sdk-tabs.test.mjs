// The SDK in a browser: the tabs of an origin share one connection.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "./gateway.mjs";
import { all, got, lead, session, site } from "./sdk-browser.mjs";
import { Proxy, connections, jwt, key, revoke } from "./sdk-tools.mjs";

const s = session();
const { publish, tab } = s;

// streams waits until the gateway has n streams: one that caught a tab up ends a moment after the tab has read its last frame.
const streams = n => poll(`${n} streams`, async () => await connections(s.base) === n);

test("twenty tabs have one connection and see the same; whoever leads may leave", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  let pages = await Promise.all(Array.from({ length: 20 }, () => tab(url)));
  await streams(1);
  const want = await publish(50);
  await all(pages, want);
  // Events flow while the first one, the leader, is closed; then the next, and so on.
  const leader = await lead(pages);
  assert.equal(await lead(pages), leader);
  for (let i = 0; i < 4; i++) {
    let writing = true;
    const writer = (async () => { for (; writing; await sleep(10)) want.push(...await publish(3)); })();
    const at = await lead(pages);
    await pages[at].close({ runBeforeUnload: i % 2 === 1 });
    pages.splice(at, 1);
    await poll("another leader", async () => await lead(pages) >= 0);
    await poll("open", () => pages[0].evaluate(() => rt.state === "open"));
    writing = false;
    await writer;
    await all(pages, want);
  }
  await streams(1);
  assert.equal(pages.length, 16);
  // rt.close() hands over as well.
  const at = await lead(pages);
  await pages[at].evaluate(() => rt.close());
  pages.splice(at, 1);
  want.push(...await publish(20));
  await all(pages, want);
});

test("a tab that comes late begins now, and leads without a hole when its turn comes", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const first = await tab(url);
  await publish(5);
  await poll("the first five", async () => (await got(first)).length === 5);
  const late = await tab(url);
  await streams(1);
  const want = await publish(5);
  await all([late], want);
  await first.close();
  want.push(...await publish(5));
  await all([late], want);
});

test("messages lost between tabs are seen and read again", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  await s.context.addInitScript(() => {
    const post = BroadcastChannel.prototype.postMessage;
    BroadcastChannel.prototype.postMessage = function (m) { if (!(window.mute && m.frame)) post.call(this, m); };
  });
  const url = await site();
  const pages = [await tab(url), await tab(url), await tab(url)];
  const want = await publish(5);
  await all(pages, want);
  await pages[0].evaluate(() => { window.mute = true; });
  want.push(...await publish(5));
  await all([pages[0]], want);
  assert.equal((await got(pages[1])).length, 5);
  await pages[0].evaluate(() => { window.mute = false; });
  for (let i = 0; i < 2; i++) { // the second time shows what the first may have doubled
    want.push(...await publish(5));
    await all(pages, want);
  }
  await streams(1);
});

test("the connection's cuts are the same for all tabs", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const proxy = new Proxy(s.base);
  await proxy.start();
  try {
    const url = await site();
    const pages = await Promise.all(Array.from({ length: 4 }, () => tab(url, {}, proxy.url)));
    const want = [];
    for (let i = 0; i < 5; i++) {
      want.push(...await publish(20));
      proxy.cut();
      want.push(...await publish(20));
      await all(pages, want);
    }
    await Promise.all(pages.map(page => poll("told", async () => {
      const told = (await page.evaluate(() => told)).map(([n]) => n);
      return told.includes("disconnect") && told.includes("reconnect") && told.at(-1) === "connect";
    })));
  } finally {
    proxy.stop();
  }
});

test("origins, keys and channels do not mix", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const [a, b] = [await site(), await site()];
  const pages = [
    await tab(a), await tab(b), await tab(a, { channels: ["tick", "other"] }), await tab(a, { channels: ["none"] }),
    await tab(a, { apikey: undefined, token: jwt(60) }), await tab(a, { apikey: undefined, token: jwt(60, { sub: "bob" }) }),
    await tab(a, { apikey: undefined, token: jwt(70) }), // ada's next token
  ];
  await streams(6);
  const want = await publish(5);
  await all(pages.filter((_, i) => i !== 3), want);
  assert.deepEqual(await got(pages[3]), []);
});

test("without locks, or when told so, each tab has its own", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const own = [await tab(url, { shared: false }), await tab(url, { shared: false })];
  await s.context.addInitScript(() => {
    if (location.hash === "#locks") Object.defineProperty(navigator, "locks", { value: undefined });
    if (location.hash === "#refused") navigator.locks.request = async () => { throw new DOMException("sandboxed", "SecurityError"); };
    if (location.hash === "#channel") delete window.BroadcastChannel;
  });
  // Five, since a browser makes no more than six connections to a host, which is why tabs share one.
  for (const hash of ["#locks", "#refused", "#channel"]) own.push(await tab(url + hash));
  await streams(5);
  await all(own, await publish(5));
});

test("no credential is told to other tabs, nor put into an address", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  await s.context.addInitScript(() => {
    window.posted = [];
    const post = BroadcastChannel.prototype.postMessage, open = window.BroadcastChannel;
    window.BroadcastChannel = class extends open { constructor(name) { super(name); posted.push(name); } };
    open.prototype.postMessage = function (m) { posted.push(JSON.stringify(m)); post.call(this, m); };
  });
  const addresses = [];
  s.context.on("request", r => addresses.push(r.url()));
  const url = await site(), token = jwt(60);
  const pages = [await tab(url, { token }), await tab(url, { token })];
  await all(pages, await publish(5));
  for (const page of pages) {
    assert.match(await page.evaluate(() => rt.publish("other", 1)), /^\d+$/);
    const text = (await page.evaluate(() => posted)).join("\n");
    assert.ok(text.length > 50);
    for (const part of [key, token, token.split(".")[2]]) assert.ok(!text.includes(part) && !addresses.join().includes(part));
  }
});

test("a fresh token for all, when the first ends", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const first = randomUUID(), tokens = [jwt(600, { jti: first }), jwt(600, { jti: randomUUID() })];
  const pages = await Promise.all([1, 2, 3].map(() => tab(url, { apikey: undefined, tokens })));
  await streams(1);
  const want = await publish(5);
  await all(pages, want);
  await revoke(s.base, first);
  for (const page of pages) await poll("expired", async () => (await page.evaluate(() => told)).some(([n, why]) => n === "expired" && why === "revoked"));
  want.push(...await publish(5));
  await all(pages, want);
  assert.equal((await Promise.all(pages.map(p => p.evaluate(() => asked)))).reduce((a, b) => a + b), 4);
});

test("each tab tries for itself when the leader is refused", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const jti = randomUUID(), token = jwt(600, { jti });
  const old = [await tab(url, { apikey: undefined, token }), await tab(url, { apikey: undefined, token })];
  const fresh = await tab(url, { apikey: undefined, token: jwt(600, { jti: randomUUID() }) });
  await streams(1);
  const want = await publish(5);
  await all([...old, fresh], want);
  await revoke(s.base, jti);
  for (const page of old) await poll("closed", () => page.evaluate(() => rt.state === "closed"));
  for (const page of old) assert.match((await page.evaluate(() => told.find(([n]) => n === "error")))[1], /revoked/);
  want.push(...await publish(5));
  await all([fresh], want);
  assert.deepEqual(await got(old[0]), want.slice(0, 5));
});

test("offline, the stream pauses and publishing waits; then both go on", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const pages = [await tab(url), await tab(url)];
  await s.context.setOffline(true);
  for (const page of pages) await poll("offline", () => page.evaluate(() => rt.state === "offline"));
  const want = await publish(5);
  await pages[1].evaluate(() => { window.done = rt.publish("tick", 77); });
  await s.context.setOffline(false);
  assert.match(await pages[1].evaluate(() => done), /^\d+$/);
  await all(pages, [...want, 77]);
});
