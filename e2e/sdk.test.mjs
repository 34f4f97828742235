// The SDK in Node: through cuts, kills, refusals and lost answers.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { connect } from "../public/sdk/sluice.js";
import { Gateway, poll } from "./gateway.mjs";
import { Proxy, connections, frame, init, jwt, key, says, script, settings, streams } from "./sdk-tools.mjs";

const sdk = join(import.meta.dirname, "..", "public", "sdk");
let gateway, base;

before(async () => {
  gateway = new Gateway({ ...settings, RETRY_CONNECT: "20ms", RETRY_EVENT: "20ms" });
  base = await gateway.start();
});
after(() => gateway.remove());

async function post(body) {
  const r = await fetch(base + "/realtime", { method: "POST", body: JSON.stringify(body), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(r.status, 200);
  return r.json();
}

async function history(query) {
  const r = await fetch(`${base}/realtime?until=caught-up&${query}`, { headers: { "x-apikey": key, accept: "application/x-ndjson" } });
  return (await r.text()).split("\n").filter(Boolean).map(line => JSON.parse(line));
}

const opened = rt => new Promise(done => rt.on("connect", done));
const failed = rt => new Promise(done => rt.on("error", done));
const collect = (rt, pattern, list = []) => (rt.on(pattern, e => list.push(e)), list);

test("types hold, and the file is small", () => {
  execFileSync(process.execPath, [join(import.meta.dirname, "node_modules/typescript/bin/tsc"), "-p", import.meta.dirname], { stdio: "pipe", encoding: "utf8" });
  const size = gzipSync(readFileSync(join(sdk, "sluice.js")), { level: 9 }).length;
  assert.ok(size < 6_300, `${size} bytes`);
});

test("exactly what was published, through cuts at random bytes and kill -9", { timeout: 60_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key, channels: ["cut"] });
  t.after(() => (rt.close(), proxy.stop()));
  const got = collect(rt, "cut");
  const gaps = collect(rt, "gap");
  await opened(rt);
  let budget = 2000, cuts = 0;
  proxy.cutAfter = chunk => {
    budget -= chunk.length;
    if (budget >= 0) return Infinity;
    cuts++;
    const at = chunk.length + budget;
    budget = Math.floor(Math.random() * 30_000);
    return at;
  };
  const want = [];
  const write = async n => {
    const events = Array.from({ length: n }, () => {
      want.push(`${want.length} ${"é日😀".repeat(Math.random() * 20)}`);
      return { event: "cut", data: want.at(-1) };
    });
    await post(events);
  };
  for (let i = 0; i < 120; i++) await write(1 + Math.floor(Math.random() * 40));
  await poll("half of it", () => got.length > want.length / 2, 20_000);
  await gateway.stop("SIGKILL");
  await poll("the cut", () => rt.state !== "open");
  await gateway.start();
  for (let i = 0; i < 120; i++) await write(1 + Math.floor(Math.random() * 40));
  await poll(() => `${got.length} of ${want.length}`, () => got.length >= want.length, 20_000);
  assert.deepEqual(got.map(e => e.data), want);
  assert.deepEqual(gaps, []);
  assert.ok(cuts > 10, `${cuts} cuts`);
  assert.ok(got.every((e, i) => i === 0 || +e.id > +got[i - 1].id));
});

test("a cut before the first event loses nothing either", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key });
  t.after(() => (rt.close(), proxy.stop()));
  const got = collect(rt, "early"), told = [];
  for (const notice of ["connect", "disconnect", "reconnect"]) rt.on(notice, () => told.push(notice));
  await poll("open", () => rt.state === "open");
  proxy.cut();
  await poll("cut", () => rt.state === "waiting");
  const { id } = await post({ event: "early" });
  await poll("the event", () => got.length);
  assert.deepEqual(got, [{ id, event: "early", data: null }]);
  assert.equal(rt.lastEventId, id);
  assert.deepEqual(told, ["connect", "disconnect", "reconnect", "connect"]);
});

test("listeners hear their channels only, and one that throws harms nobody", { timeout: 20_000 }, async t => {
  const rt = connect(base, { apikey: key });
  const fault = console.error, faults = [];
  console.error = e => faults.push(e.message);
  t.after(() => (rt.close(), console.error = fault));
  const patterns = ["*", "PUT:customer", "patch:customer", "*:customer", "POST:*", "chat-*", "boing", "boing:room", "*:*", "P*:customer", "delete:cu*"];
  rt.on("*", () => { throw Error("mine"); });
  const heard = Object.fromEntries(patterns.map(p => [p, collect(rt, p)]));
  const ended = rt.on("boing", () => assert.fail("was ended"));
  ended();
  await opened(rt);
  const sent = [
    { event: "put", collection: "customer", data: 0 }, { event: "PATCH", collection: "customer", data: 1 }, { event: "post", collection: "order", data: 2 },
    { event: "chat-1", data: 3 }, { event: "boing", data: 4 }, { event: "boing", collection: "room", data: 5 }, { event: "delete", collection: "customer", data: 6 },
    { event: "P1", collection: "customer", data: 7 }, { event: "connect", data: 8 },
  ];
  await post(sent);
  await poll("all", () => heard["*"].length >= sent.length);
  assert.deepEqual(Object.fromEntries(Object.entries(heard).map(([p, list]) => [p, list.map(e => e.data).join("")])), {
    "*": "012345678", "PUT:customer": "01", "patch:customer": "01", "*:customer": "0167", "POST:*": "2", "chat-*": "3", "boing": "45", "boing:room": "5",
    "*:*": "012567", "P*:customer": "7", "delete:cu*": "6",
  });
  assert.equal(faults.length, sent.length);
  for (const bad of ["", "put", ":x", "x:", "a:b:c", "$db/x"]) assert.throws(() => rt.on(bad, () => {}), /no channel/, bad);
  rt.off("*");
  await post({ event: "boing", data: 9 });
  await poll("the next", () => heard["boing"].length === 3);
  assert.equal(heard["*"].length, sent.length);
});

test("a fresh token when the first ends, without a hole", { timeout: 20_000 }, async t => {
  let given = 0;
  // The first lasts for the opening, but for less than three seconds, or the SDK renews it before it ends.
  const rt = connect(base, { token: async () => jwt(given++ ? 60 : 2), channels: ["tick"] });
  t.after(() => rt.close());
  const got = collect(rt, "tick"), expired = collect(rt, "expired");
  await opened(rt);
  const want = [];
  while (rt.state === "open" || want.length < 5) {
    want.push((await post({ event: "tick", data: want.length })).id);
    await poll("a moment", () => true);
    if (expired.length) break;
  }
  want.push((await post({ event: "tick" })).id);
  await poll("the rest", () => got.length >= want.length);
  assert.deepEqual(got.map(e => e.id), want);
  assert.deepEqual(expired, [{ reason: "exp" }]);
  assert.equal(given, 2);
  assert.match(await rt.publish("tick"), /^\d+$/);
});

test("401 asks for one fresh token, 401 again stops and says why", { timeout: 20_000 }, async t => {
  let given = 0;
  const rt = connect(base, { token: () => (given++, jwt(-10)) });
  t.after(() => rt.close());
  const error = await failed(rt);
  assert.equal(error.status, 401);
  assert.match(error.message, /expired|ended/);
  assert.equal(given, 2);
  assert.equal(rt.state, "closed");
  await assert.rejects(connect(base, { token: () => jwt(-10) }).publish("x"), { status: 401 });
  const good = connect(base, { token: () => jwt(given++ === 2 ? -10 : 60) });
  t.after(() => good.close());
  assert.match(await good.publish("x"), /^\d+$/);
  assert.equal(given, 4);
});

test("many who wait for a fresh token ask for one", { timeout: 20_000 }, async t => {
  let given = 0;
  const rt = connect(base, { token: () => jwt(given++ ? 60 : -10) });
  t.after(() => rt.close());
  const stream = async () => { for await (const _ of rt.stream("none", { until: "caught-up" })); };
  await Promise.all([opened(rt), rt.publish("x"), stream(), stream()]);
  assert.equal(given, 2);
});

test("refusals are final, trouble that passes is not", { timeout: 20_000 }, async t => {
  for (const [options, status, message] of [
    [{ apikey: "sdk-writer-0123456789" }, 403, /./], [{ apikey: key, channels: ["put"] }, 400, /put/], [{ apikey: "wrong" }, 401, /./], [{}, 401, /./],
  ]) {
    const rt = connect(base, options);
    t.after(() => rt.close());
    rt.on("*", () => {});
    const error = await failed(rt);
    assert.equal(error.status, status);
    assert.match(error.message, message);
    assert.ok(error.code);
    assert.equal(rt.state, "closed");
    if (status === 403) assert.match(await rt.publish("x"), /^\d+$/, "who may not hear may publish");
    else await assert.rejects(rt.publish("put"), { status: status });
  }
  const { url, seen } = await script(t, says(503), says(429, {}, { "retry-after": "1" }), streams(init(1) + "retry: 30\nevent: busy\nid: 1\ndata: {\"event\":\"busy\",\"data\":{\"status\":503,\"message\":\"full\"}}\n\n"), streams(init(1) + frame(2, "x"), false));
  const rt = connect(url, { apikey: "k" });
  t.after(() => rt.close());
  const got = collect(rt, "a"), told = collect(rt, "disconnect");
  await poll("the event", () => got.length, 10_000);
  assert.deepEqual(told.map(d => d.status), [503, 429, undefined]);
  assert.match(told[2].reason, /full/);
  assert.ok(seen[2].at - seen[1].at >= 1000, "Retry-After");
  assert.ok(seen[3].at - seen[2].at >= 30 && seen[3].at - seen[2].at < 2000, "the retry of busy");
  const page = await script(t, says(200, "<html>", { "content-type": "text/html" }));
  const portal = connect(page.url);
  t.after(() => portal.close());
  assert.match((await new Promise(done => portal.on("disconnect", done))).reason, /is it a gateway\?/);
});

test("credentials go in headers, a path prefix stays", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, streams(init(5), false));
  const rt = connect(url + "/a/b/", { apikey: "secret-key", token: "x.y.z", channels: ["PUT:a b", "c*"] });
  t.after(() => rt.close());
  await opened(rt);
  assert.equal(seen[0].url, "/a/b/realtime?channels=PUT%3Aa+b%2Cc*");
  assert.equal(seen[0].headers["x-apikey"], "secret-key");
  assert.equal(seen[0].headers.authorization, "Bearer x.y.z");
  assert.equal(seen[0].headers.accept, "text/event-stream");
  assert.equal(seen[0].headers["last-event-id"], undefined);
});

test("an id counts when its frame was dispatched: a frame that is cut comes again", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, streams(init(1) + frame(2, "x") + "id: 3\nevent: a\ndata: {\"event\":\"a\",\"data\":\"y\"}\n"), streams(init(2) + frame(3, "y"), false));
  const rt = connect(url, {});
  t.after(() => rt.close());
  const got = collect(rt, "a");
  await poll("both", () => got.length === 2);
  assert.deepEqual(got.map(e => [e.id, e.data]), [["2", "x"], ["3", "y"]]);
  assert.deepEqual(seen.map(s => s.headers["last-event-id"]), [undefined, "2"]);
});

test("retry is obeyed, with a spread", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, streams(init(1, 300)), streams(init(1, 300), false));
  const rt = connect(url, {});
  t.after(() => rt.close());
  rt.on("*", () => {});
  await poll("the second", () => seen.length === 2);
  const waited = seen[1].at - seen[0].at;
  assert.ok(waited >= 290 && waited < 800, `${waited} ms`);
});

test("a stream that falls silent is left for a new one; pings hold it", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key, pingTimeout: 700 });
  t.after(() => (rt.close(), proxy.stop()));
  const got = collect(rt, "silent"), told = collect(rt, "disconnect");
  await opened(rt);
  const began = Date.now();
  await poll("three pings", () => Date.now() - began > 1000);
  assert.equal(told.length, 0);
  proxy.silent = true;
  const { id } = await post({ event: "silent" });
  await poll("told", () => told.length);
  assert.match(told[0].reason, /silent/);
  proxy.silent = false;
  await poll("the event", () => got.length);
  assert.deepEqual(got.map(e => e.id), [id]);
});

test("a gap is told", { timeout: 20_000 }, async t => {
  const rt = connect(base, { apikey: key, lastEventId: "12" });
  t.after(() => rt.close());
  const got = collect(rt, "after-gap");
  const gap = await new Promise(done => rt.on("gap", done));
  assert.equal(gap.reason, "unknown");
  assert.equal(gap.after, "12");
  assert.match(gap.oldest, /^\d+$/);
  await post({ event: "after-gap" });
  await poll("what follows", () => got.length);
  const future = connect(base, { apikey: key, lastEventId: "9007199254740000" });
  t.after(() => future.close());
  const later = collect(future, "after-gap");
  assert.equal((await new Promise(done => future.on("gap", done))).reason, "unknown");
  await post({ event: "after-gap" });
  await poll("what follows", () => later.length);
});

test("stream reads ranges, through cuts too", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key });
  t.after(() => (rt.close(), proxy.stop()));
  const ids = (await post(Array.from({ length: 500 }, (_, i) => ({ event: i % 2 ? "odd" : "even", stream: "orders", data: i })))).ids;
  const read = async (range, name = "orders") => {
    const list = [];
    for await (const e of rt.stream(name, range)) list.push(e.data);
    return list;
  };
  const numbers = (from, to, step = 1) => Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);
  let budget = 0;
  proxy.cutAfter = chunk => {
    budget -= chunk.length;
    if (budget >= 0) return Infinity;
    const at = chunk.length + budget;
    budget = 3000 + Math.floor(Math.random() * 15_000);
    return Math.max(0, at);
  };
  assert.deepEqual(await read({ after: "earliest", until: "caught-up" }), numbers(0, 500));
  assert.deepEqual(await read({ from: ids[10], to: ids[20] }), numbers(10, 21));
  assert.deepEqual(await read({ after: ids[10], until: ids[20] }), numbers(11, 20));
  assert.deepEqual(await read({ from: -3, until: "caught-up" }), [497, 498, 499]);
  assert.deepEqual(await read({ limit: 400 }), numbers(0, 400));
  assert.deepEqual(await read({ types: ["odd"], until: "caught-up" }), numbers(1, 500, 2));
  assert.deepEqual(await read({ from: new Date(Date.now() - 60_000), limit: 1 }), [0]);
  assert.deepEqual(await read({ until: "caught-up" }, "none"), []);
  assert.ok((await read({ from: -600, until: "caught-up" }, null)).length >= 500);
  await assert.rejects(read({ from: "x" }), { status: 400, code: "bad_parameter" });
  await assert.rejects(read({ from: 1, after: 1 }), { status: 400 });

  const live = rt.stream("orders", { from: -1 });
  assert.equal((await live.next()).value.data, 499);
  await post({ event: "odd", stream: "orders", data: 500 });
  assert.equal((await live.next()).value.data, 500);
  const waiting = live.next();
  rt.close();
  assert.equal((await waiting).done, true);
});

test("a stream that is left ends its connection", { timeout: 20_000 }, async t => {
  const rt = connect(base, { apikey: key });
  t.after(() => rt.close());
  await poll("none", async () => await connections(base) === 0);
  await post([{ event: "l", stream: "left" }, { event: "l", stream: "left" }]);
  for await (const e of rt.stream("left")) {
    assert.equal(e.event, "l");
    assert.equal(await connections(base), 1);
    break;
  }
  await poll("the end", async () => await connections(base) === 0);
});

test("a lost answer does not double an event", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key });
  t.after(() => (rt.close(), proxy.stop()));
  let cuts = 0;
  proxy.cutAfter = chunk => cuts++ < 3 ? Math.floor(chunk.length / 2) * (cuts - 1) : Infinity; // nothing, half of the answer, all but the end of the connection
  const ids = await Promise.all([rt.publish("once", 1, { stream: "once" }), rt.publish("once", 2, { stream: "once" })]);
  assert.ok(cuts > 3);
  assert.deepEqual((await history("stream=once")).map(e => [e.id, e.data]), [[ids[0], 1], [ids[1], 2]]);
});

test("publish: fields, refusals, order, repeats", { timeout: 20_000 }, async t => {
  const rt = connect(base, { apikey: key });
  t.after(() => rt.close());
  const first = await rt.publish("put", { a: [1, "é"] }, { collection: "c", stream: "p", expect: 0, idempotencyKey: "mine" });
  assert.equal(await rt.publish("put", { a: [1, "é"] }, { collection: "c", stream: "p", expect: 0, idempotencyKey: "mine" }), first);
  const [stored] = await history("stream=p");
  assert.deepEqual([stored.event, stored.collection, stored.data], ["put", "c", { a: [1, "é"] }]);
  await assert.rejects(rt.publish("x", 1, { stream: "p", expect: 0 }), { status: 409, code: "expect_failed", last: first });
  await assert.rejects(rt.publish("ping"), { status: 400, code: "bad_event" });
  await assert.rejects(rt.publish("x", 1n), TypeError);
  await assert.rejects(connect(base, { token: jwt(60, { realtime: ["*"] }) }).publish("x"), { status: 403, code: "forbidden" });
  await Promise.all(Array.from({ length: 100 }, (_, i) => rt.publish("n", i, { stream: "order" })));
  assert.deepEqual((await history("stream=order")).map(e => e.data), Array.from({ length: 100 }, (_, i) => i));

  const { url, seen } = await script(t, says(408), says(503, {}, { "retry-after": "1" }), answer => answer.destroy(), says(200, { message: "OK", id: "7" }));
  assert.equal(await connect(url, { apikey: "k" }).publish("a"), "7");
  assert.equal(new Set(seen.map(s => s.headers["idempotency-key"])).size, 1);
  assert.ok(seen[2].at - seen[1].at >= 1000, "Retry-After");
  assert.deepEqual(seen.map(s => s.body), Array(4).fill('{"event":"a"}'));
});

test("publish gives up in the end, before the gateway forgets the key", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, says(429, { message: "too much", code: "rate_limited" }, { "retry-after": "100" }));
  await assert.rejects(connect(url, {}).publish("a"), { status: 429, message: "too much" });
  assert.equal(seen.length, 1);
});

test("offline: publishing waits, to a bound; the stream pauses and goes on", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const network = new EventTarget(), had = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const navigator = { onLine: true };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  globalThis.addEventListener = network.addEventListener.bind(network);
  const go = on => (navigator.onLine = on, network.dispatchEvent(new Event(on ? "online" : "offline")));
  const rt = connect(proxy.url, { apikey: key, queue: 3 });
  t.after(() => {
    rt.close();
    proxy.stop();
    delete globalThis.addEventListener;
    if (had) Object.defineProperty(globalThis, "navigator", had);
    else delete globalThis.navigator;
  });
  const got = collect(rt, "off");
  await opened(rt);
  go(false);
  await poll("offline", () => rt.state === "offline");
  const made = proxy.made;
  const sent = [1, 2, 3].map(n => rt.publish("off", n));
  await assert.rejects(rt.publish("off", 4), { code: "queue_full", message: /3 events wait/ });
  assert.equal(proxy.made, made, "no attempt while offline");
  go(true);
  const ids = await Promise.all(sent);
  await poll("what was queued", () => got.length === 3);
  assert.deepEqual(got.map(e => [e.id, e.data]), [[ids[0], 1], [ids[1], 2], [ids[2], 3]]);
  go(false);
  const late = rt.publish("off", 5);
  rt.close();
  await assert.rejects(late, /closed/);
  await assert.rejects(rt.publish("off", 6), /closed/);
});
