// The SDK in a browser: one tab never harms another, nor its page, whatever becomes of the one that leads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway, poll } from "./gateway.mjs";
import { all, got, lead, openTab, session, site } from "./sdk-browser.mjs";
import { Proxy, connections, key, settings } from "./sdk-tools.mjs";

const s = session(15_000);
const { publish, tab } = s;

const told = (page, notice) => page.evaluate(n => told.filter(([name]) => name === n).map(([, why]) => why), notice);
const oneConnection = () => poll("one connection", async () => await connections(s.base) === 1, 40_000);

for (const [how, begin] of [
  ["a page whose thread is busy", async page => {
    await page.evaluate(() => { setTimeout(() => { for (const end = Date.now() + 12_000; Date.now() < end;); }); });
    return () => {}; // it wakes by itself
  }],
  ["a page with an open alert()", async page => {
    const dialog = new Promise(done => page.on("dialog", done));
    await page.evaluate(() => { setTimeout(() => alert("stop")); });
    const open = await dialog;
    return () => open.accept();
  }],
]) {
  test(`${how} loses the lead within seconds, and nothing is lost or doubled when it wakes`, { timeout: 90_000 }, async () => {
    s.context = await s.browser.newContext();
    const url = await site();
    const pages = [await tab(url), await tab(url), await tab(url)];
    assert.equal(await lead(pages), 0);
    const want = await publish(5);
    await all(pages, want);
    const wake = await begin(pages[0]);
    const others = pages.slice(1);
    want.push(...await publish(5));
    await all(others, want);
    const late = await tab(url);
    const after = await publish(5);
    want.push(...after);
    await all(others, want);
    await all([late], after);
    await wake();
    await poll("awake", () => Promise.race([pages[0].evaluate(() => true), new Promise(done => setTimeout(done, 500))]), 30_000);
    await all(pages, want);
    for (let i = 0; i < 5; i++) {
      const more = await publish(5);
      want.push(...more);
      after.push(...more);
      await all(pages, want);
    }
    await all([late], after);
    await oneConnection();
    assert.notEqual(await lead(pages), 0);
    // The one that hung takes its turn again.
    await Promise.all([late.close(), ...others.map(p => p.close())]);
    want.push(...await publish(5));
    await all([pages[0]], want);
  });
}

test("a place that the log never had is the affair of that tab alone", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const healthy = [await tab(url), await tab(url)];
  const want = await publish(20);
  await all(healthy, want);
  const odd = [];
  for (const lastEventId of ["12", "abc", "9007199254740000"]) {
    let opening = true;
    const writer = (async () => { while (opening) want.push(...await publish(3)); })();
    odd.push(await tab(url, { lastEventId }));
    await poll(lastEventId, async () => (await told(odd.at(-1), "gap")).length);
    opening = false;
    await writer;
  }
  for (const page of odd) assert.deepEqual(await told(page, "gap"), ["unknown"]);
  const seen = await Promise.all(odd.map(async page => await got(page)));
  const after = await publish(20);
  want.push(...after);
  await all(healthy, want);
  await oneConnection();
  const rest = await publish(20);
  want.push(...rest);
  await all(healthy, want);
  for (const [i, page] of odd.entries()) {
    await poll("what followed", async () => (await got(page)).at(-1) === want.at(-1));
    const list = await got(page);
    assert.deepEqual(list, want.slice(-list.length));
    assert.ok(list.length >= seen[i].length + 40);
    assert.deepEqual(await told(page, "gap"), ["unknown"]);
  }
});

test("a tab that leads from an odd place tells the others nothing of it", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  await publish(5);
  const proxy = new Proxy(s.base);
  await proxy.start();
  try {
    proxy.down = true; // so that the others wait for it before it knows
    const pages = [];
    for (const options of [{ lastEventId: "9007199254740000" }, {}, {}]) {
      pages.push(await openTab(s.context, url, options, proxy.url));
      await poll("waiting", () => pages.at(-1).evaluate(() => rt.state === "waiting"));
    }
    proxy.down = false;
    for (const page of pages) await poll("open", () => page.evaluate(() => rt.state === "open"), 20_000);
    await poll("a gap", async () => (await told(pages[0], "gap")).length);
    const want = await publish(20);
    await all(pages.slice(1), want);
    await poll("the odd one too", async () => (await got(pages[0])).length >= 20);
    assert.deepEqual(await got(pages[0]), want);
    assert.deepEqual(await told(pages[0], "gap"), ["unknown"]);
    await oneConnection();
  } finally {
    proxy.stop();
  }
});

test("what the tab that leads has missed is not told by the others, who have it", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  await s.context.addInitScript(() => {
    const open = window.BroadcastChannel;
    window.BroadcastChannel = class extends open { constructor(name) { super(window.channel = name); } };
  });
  const url = await site();
  const pages = [await tab(url), await tab(url)];
  const want = await publish(5);
  await all(pages, want);
  await pages[0].evaluate(() => {
    const gap = { type: "gap", id: rt.lastEventId, data: '{"event":"gap","data":{"reason":"unknown"}}' };
    new BroadcastChannel(channel).postMessage({ frame: gap, prev: rt.lastEventId });
  });
  want.push(...await publish(5));
  await all(pages, want);
  await oneConnection();
});

test("a tab goes on from its own place, and the others from theirs", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const first = await tab(url);
  const want = await publish(10);
  await all([first], want);
  const at = await first.evaluate(() => rt.lastEventId);
  const missed = await publish(500);
  await all([first], want.concat(missed));
  const back = await tab(url, { lastEventId: at }), fresh = await tab(url);
  const next = await publish(10);
  await all([first], want.concat(missed, next));
  await all([back], missed.concat(next));
  await all([fresh], next);
  await oneConnection();
});

test("ten tabs that come back at once, each from its own place, block no connection", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const first = await tab(url);
  const want = [], places = [];
  for (let i = 0; i < 10; i++) {
    want.push(...await publish(10));
    await all([first], want);
    places.push(await first.evaluate(() => rt.lastEventId));
  }
  await first.close();
  await poll("no stream left", async () => await connections(s.base) === 0);
  want.push(...await publish(10));
  const pages = await Promise.all(places.map(lastEventId => openTab(s.context, url, { lastEventId }, s.base)));
  want.push(...await publish(10));
  await Promise.all(pages.map((page, i) => all([page], want.slice(10 * (i + 1)))));
  await oneConnection();
  want.push(...await publish(10));
  await Promise.all(pages.map((page, i) => all([page], want.slice(10 * (i + 1)))));
});

test("a tab that is opened while its leader reconnects hears nothing from before it", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const proxy = new Proxy(s.base);
  await proxy.start();
  try {
    const url = await site();
    const first = await tab(url, {}, proxy.url);
    const want = await publish(5);
    await all([first], want);
    proxy.down = true;
    proxy.cut();
    await poll("cut", () => first.evaluate(() => rt.state === "waiting"));
    want.push(...await publish(20));
    const late = await Promise.all(Array.from({ length: 7 }, () => openTab(s.context, url, {}, proxy.url)));
    for (const page of late) await poll("told the truth", () => page.evaluate(() => rt.state === "waiting"));
    proxy.down = false;
    for (const page of [first, ...late]) await poll("open", () => page.evaluate(() => rt.state === "open"), 20_000);
    const after = await publish(5);
    want.push(...after);
    await all([first], want);
    await all(late, after);
    await oneConnection();
  } finally {
    proxy.stop();
  }
});

test("a tab that is opened while its leader hears late hears nothing from before it", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const proxy = new Proxy(s.base);
  await proxy.start();
  try {
    const url = await site();
    const first = await tab(url, {}, proxy.url);
    const want = await publish(5);
    await all([first], want);
    const held = [...proxy.pairs];
    for (const { far } of held) far.pause();
    want.push(...await publish(20));
    const late = await tab(url, {}, proxy.url);
    for (const { far } of held) far.resume();
    await all([first], want);
    const after = await publish(5);
    want.push(...after);
    await all([late], after);
    await all([first], want);
    await oneConnection();
  } finally {
    proxy.stop();
  }
});

test("six streams that are left, as an effect's cleanup leaves them, block no request", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const page = await tab(await site(), { shared: false });
  const ended = await page.evaluate(async ([address, apikey]) => {
    rt.close();
    const { connect } = await import("/sluice.js");
    const other = connect(address, { apikey });
    const six = Array.from({ length: 6 }, () => other.stream("nothing"));
    const waiting = six.map(s => s.next());
    await new Promise(done => setTimeout(done, 500));
    const ends = await Promise.all(six.map(s => s.return()));
    await Promise.all(waiting);
    return ends.every(e => e.done) && (await fetch(address + "/realtime", { method: "HEAD", headers: { "x-apikey": apikey } })).status;
  }, [s.base, key]);
  assert.equal(ended, 200);
});

test("the streams of all tabs share one connection once they have read the past", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const pages = [await tab(url), await tab(url)];
  for (const page of pages) {
    await page.evaluate(async ([address, apikey]) => {
      rt.close();
      const { connect } = await import("/sluice.js");
      window.other = connect(address, { apikey });
      window.lists = {};
      for (let i = 0; i < 4; i++) {
        const list = lists["s" + i] = [];
        (async () => { for await (const e of other.stream("s" + i)) list.push(e.data); })();
      }
    }, [s.base, key]);
  }
  const want = { s0: [], s1: [], s2: [], s3: [] };
  for (let n = 0; n < 20; n++) {
    const events = Object.keys(want).map(stream => ({ event: "e", stream, data: n }));
    const r = await fetch(s.base + "/realtime", { method: "POST", body: JSON.stringify(events), headers: { "x-apikey": key, "content-type": "application/json" } });
    assert.equal(r.status, 200);
    for (const list of Object.values(want)) list.push(n);
    if (n === 10) await oneConnection();
  }
  for (const page of pages) {
    await poll("all", () => page.evaluate(() => Object.values(lists).every(list => list.length >= 20)));
    assert.deepEqual(await page.evaluate(() => lists), want);
  }
  await oneConnection();
});

test("a publish that is redirected is named in a browser, too", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const page = await tab(await site());
  const code = await page.evaluate(async () => {
    const { connect } = await import("/sluice.js");
    return connect("/moved").publish("a").catch(e => e.code);
  });
  assert.equal(code, "redirected");
});

test("a log that begins anew is told to each tab", { timeout: 60_000 }, async () => {
  s.context = await s.browser.newContext();
  const other = new Gateway({ ...settings, DATA_DIR: "memory" });
  try {
    const address = await other.start(), url = await site();
    const pages = [await tab(url, {}, address), await tab(url, {}, address)];
    await other.stop("SIGKILL");
    await other.start();
    for (const page of pages) {
      await poll("a gap", async () => (await told(page, "gap")).length, 20_000);
      assert.deepEqual(await told(page, "gap"), ["unknown"]);
    }
  } finally {
    await s.context.close();
    await other.remove();
  }
});
