// The SDK in Node, under trouble: nothing waits without an end, and nothing repeats without a pause.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../public/sdk/sluice.js";
import { Gateway, poll } from "./gateway.mjs";
import { Proxy, connections, frame, init, jwt, key, says, script, settings, streams } from "./sdk-tools.mjs";

let gateway, base;

before(async () => {
  gateway = new Gateway({ ...settings, RETRY_CONNECT: "20ms", RETRY_EVENT: "20ms" });
  base = await gateway.start();
});
after(() => gateway.remove());

async function post(body) {
  const r = await fetch(base + "/realtime", { method: "POST", body: JSON.stringify(body), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(r.status, 200);
}

const when = (rt, notice) => new Promise(done => rt.on(notice, done));
const collect = (rt, pattern, list = []) => (rt.on(pattern, e => list.push(e)), list);
const html = (status, headers) => answer => answer.writeHead(status, { "content-type": "text/html", ...headers }).end("<!doctype html>");
const refuses = (status, code, message = code) => says(status, { message, code }, { "content-type": "application/json" });
const stored = says(200, { message: "OK", id: "7" });
const cuts = text => answer => (streams(text, false)(answer), setImmediate(() => answer.destroy()));
const pauses = seen => seen.slice(1).map((s, i) => s.at - seen[i].at);

// counted is a fetch that counts, and stops a loop that would never end.
function counted(most = 50) {
  const fetcher = (...all) => ++fetcher.made > most ? new Promise(() => {}) : fetch(...all);
  return Object.assign(fetcher, { made: 0 });
}

// page stands in for a browser's window and document.
function page(t, onLine = true) {
  const window = new EventTarget(), names = ["navigator", "document", "addEventListener"];
  const had = names.map(n => Object.getOwnPropertyDescriptor(globalThis, n));
  const navigator = { onLine }, document = new EventTarget();
  [navigator, document, window.addEventListener.bind(window)].forEach((value, i) => Object.defineProperty(globalThis, names[i], { value, configurable: true }));
  t.after(() => names.forEach((n, i) => had[i] ? Object.defineProperty(globalThis, n, had[i]) : delete globalThis[n]));
  return { window, document, navigator };
}

test("an empty token is asked for once more after a 401; then the error says that it is empty", { timeout: 20_000 }, async t => {
  for (const nothing of ["", null, undefined]) {
    let asked = 0;
    const fetcher = counted();
    const rt = connect(base, { token: async () => (asked++, nothing), fetch: fetcher });
    t.after(() => rt.close());
    const error = await when(rt, "error");
    assert.deepEqual([error.status, error.code, rt.state, fetcher.made, asked], [401, "token_empty", "closed", 2, 2]);
    assert.match(error.message, /token is empty/);
    for (const call of [rt => rt.publish("x"), rt => rt.stream("x").next()]) await assert.rejects(call(connect(base, { token: () => nothing, fetch: counted() })), { status: 401, code: "token_empty" });
  }
  const rt = connect(base, { token: "" });
  assert.equal((await when(rt, "error")).code, "token_empty");
  const both = connect(base, { token: () => "", apikey: key });
  t.after(() => both.close());
  assert.match(await both.publish("x"), /^\d+$/, "another credential will do");
});

test("a token that is always refused is asked for later each time", { timeout: 20_000 }, async t => {
  const asked = [];
  const rt = connect(base, { token: () => (asked.push(Date.now()), jwt(-10)) });
  t.after(() => rt.close());
  for (let i = 0; i < 3; i++) await assert.rejects(rt.publish("x"), { status: 401, code: "expired_token" });
  const waits = asked.slice(1).map((at, i) => at - asked[i]);
  assert.ok(waits.at(-1) >= 500 && waits.at(-1) > waits[0], `${waits}`);
});

test("what cannot be a token is refused, and asked for again with a pause", { timeout: 30_000 }, async t => {
  const bad = ["<!doctype html><title>Log in</title>", "two words", "a\nb", "é", "x".repeat(9000), { token: "x" }];
  const asked = [], fetcher = counted();
  const rt = connect(base, { token: () => (asked.push(Date.now()), asked.length > 3 ? jwt(60) + "\n" : bad[asked.length - 1]), fetch: fetcher });
  t.after(() => rt.close());
  const told = collect(rt, "disconnect"), read = rt.stream("none", { until: "caught-up" }).next();
  await when(rt, "connect");
  assert.match(await rt.publish("x"), /^\d+$/);
  assert.equal((await read).done, true);
  assert.deepEqual(told.map(d => d.code), Array(told.length).fill("token_failed"));
  assert.match(told[0].reason, /no token/);
  assert.ok(told[0].delay > 0);
  assert.equal(asked.length, 4);
  assert.ok(asked[3] - asked[2] > asked[1] - asked[0], "later each time");
  assert.equal(fetcher.made, 3, "none was sent");
  for (const text of bad.slice(3)) {
    const other = connect(base, { token: () => text, fetch: counted(0) });
    t.after(() => other.close());
    assert.equal((await when(other, "disconnect")).code, "token_failed");
  }
});

test("a token function that throws for a moment ends nothing", { timeout: 20_000 }, async t => {
  let asked = 0;
  const rt = connect(base, { token: async () => { if (asked++ < 2) throw Error("500"); return jwt(60); } });
  t.after(() => rt.close());
  const told = collect(rt, "disconnect");
  const [, id] = await Promise.all([when(rt, "connect"), rt.publish("x"), rt.stream("none", { until: "caught-up" }).next()]);
  assert.match(id, /^\d+$/);
  assert.equal(asked, 3, "one question for all");
  assert.match(told[0].reason, /500/);
});

test("a token function that hangs blocks nothing for good", { timeout: 30_000 }, async t => {
  let asked = 0;
  const rt = connect(base, { token: () => asked++ ? jwt(60) : new Promise(() => {}) });
  t.after(() => rt.close());
  const told = collect(rt, "disconnect");
  const opened = when(rt, "connect");
  assert.match(await rt.publish("x"), /^\d+$/);
  await opened;
  assert.match(told[0].reason, /10 s/);
  const hung = connect(base, { token: () => new Promise(() => {}) });
  hung.on("*", () => {});
  const late = hung.publish("x"), read = hung.stream("x").next();
  await poll("asked", () => hung.state === "connecting");
  hung.close();
  await assert.rejects(late, { code: "closed" });
  assert.equal((await read).done, true);
});

test("publish ends with close(), whatever it waits for", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, says(503));
  const silent = await script(t, () => {});
  for (const at of [url, silent.url]) {
    const rt = connect(at, { apikey: "k" });
    const all = [rt.publish("a"), rt.publish("b")];
    await poll("sent", () => seen.length);
    rt.close();
    for (const one of all) await assert.rejects(one, { code: "closed" });
  }
  const rt = connect(base, { token: () => "", fetch: counted() });
  const late = rt.publish("a");
  rt.close();
  await assert.rejects(late);
});

test("return() and a signal end a stream at once, whatever it waits for", { timeout: 20_000 }, async t => {
  const silent = await script(t, () => {}), down = await script(t, says(503, {}, { "retry-after": "60" }));
  const token = () => new Promise(() => {});
  for (const rt of [connect(base, { apikey: key }), connect(silent.url), connect(down.url), connect(base, { token })]) {
    t.after(() => rt.close());
    const six = Array.from({ length: 6 }, () => rt.stream("nothing"));
    const waiting = six.map(s => s.next());
    await sleep(200); // nothing comes that could be waited for
    for (const [i, s] of six.entries()) {
      assert.deepEqual(await s.return(i), { done: true, value: i });
      assert.equal((await waiting[i]).done, true);
      assert.equal((await s.next()).done, true);
    }
    const cut = new AbortController(), signalled = rt.stream("nothing", { signal: cut.signal }), next = signalled.next();
    cut.abort();
    assert.deepEqual(await next, { done: true, value: undefined });
    assert.equal((await rt.stream("nothing", { signal: AbortSignal.abort() }).next()).done, true);
    assert.deepEqual(await rt.stream("nothing").return(), { done: true, value: undefined }, "not begun");
  }
  await poll("no connection stays", async () => await connections(base) === 0);
});

test("streams that have read the past share one connection, and lose nothing", { timeout: 30_000 }, async t => {
  const rt = connect(base, { apikey: key });
  t.after(() => rt.close());
  const names = ["one", "two", "three", "four", null], got = names.map(() => []);
  const write = n => post(names.slice(0, 4).flatMap(stream => Array.from({ length: n }, (_, i) => ({ event: "s", stream, data: i }))));
  await write(20);
  let writing = true;
  const writer = (async () => { while (writing) await write(5); })();
  const ends = new AbortController();
  const reads = names.map(async (name, i) => { for await (const e of rt.stream(name, { from: -40, signal: ends.signal })) got[i].push(+e.id); });
  await poll("live", () => got.every(list => list.length > 200));
  writing = false;
  await writer;
  await poll("one connection", async () => await connections(base) === 1);
  await write(1);
  const want = async name => {
    const r = await fetch(`${base}/realtime?until=caught-up${name ? "&stream=" + name : ""}`, { headers: { "x-apikey": key, accept: "application/x-ndjson" } });
    return (await r.text()).split("\n").filter(Boolean).map(line => +JSON.parse(line).id);
  };
  for (const [i, name] of names.entries()) {
    const ids = await want(name);
    await poll(name, () => got[i].at(-1) === ids.at(-1));
    assert.deepEqual(got[i], ids.slice(ids.indexOf(got[i][0])), `${name}`);
  }
  ends.abort();
  await Promise.all(reads);
  await poll("the connection ends with the last of them", async () => await connections(base) === 0);
  assert.equal(rt.state, "idle");

  // One that is slow reads on by itself; one that is narrower than the connection has its own; on() goes on.
  const heard = collect(rt, "s"), before = heard.length;
  await poll("open", () => rt.state === "open");
  const slow = rt.stream("slow"), data = [];
  await post({ event: "s", stream: "slow", data: 0 });
  data.push((await slow.next()).value.data);
  const second = slow.next();
  await poll("shared", async () => await connections(base) === 1);
  for (let i = 0; i < 5; i++) await post(Array.from({ length: 500 }, (_, j) => ({ event: "s", stream: "slow", data: 1 + 500 * i + j })));
  await poll("heard", () => heard.length - before > 2500);
  data.push((await second).value.data);
  while (data.length < 2501) data.push((await slow.next()).value.data);
  assert.deepEqual(data, Array.from({ length: 2501 }, (_, i) => i));
  await slow.return();
  assert.equal(rt.state, "open");
});

test("a publish that is redirected, or answered by another, is named at once", { timeout: 20_000 }, async t => {
  const target = await script(t, streams(init(1), false));
  for (const [step, code, message] of [
    [answer => answer.writeHead(301, { location: target.url + "/realtime" }).end(), "redirected", /redirects/],
    [answer => answer.writeHead(307, { location: target.url + "/realtime" }).end(), "redirected", /redirects/],
    [html(200), "not_a_gateway", /200/], [html(404), "not_a_gateway", /404/], [says(200, {}), "not_a_gateway", /200/], [says(403, { message: "Forbidden" }), "not_a_gateway", /403/],
    [says(204), "not_a_gateway", /204/],
  ]) {
    const { url, seen } = await script(t, step, stored);
    const rt = connect(url, { apikey: "k" });
    t.after(() => rt.close());
    const [first, second] = await Promise.allSettled([rt.publish("a"), rt.publish("b")]);
    assert.equal(first.reason?.code, code);
    assert.match(first.reason.message, message);
    assert.equal(second.value, "7", "the queue moves on");
    assert.equal(seen.length, 2);
  }
  assert.equal(target.seen.length, 0, "no redirect is followed");
});

test("a publish has its own time from its call, and the queue moves on", { timeout: 20_000 }, async t => {
  let healthy = false;
  const { url, seen } = await script(t, (answer, request) => (healthy ? stored : says(503))(answer, request));
  const rt = connect(url, { apikey: "k", timeout: 1500 });
  t.after(() => rt.close());
  const began = Date.now();
  const all = await Promise.allSettled([...Array.from({ length: 50 }, () => rt.publish("a")), rt.publish("b", 1, { timeout: 20 })]);
  assert.ok(Date.now() - began < 6000, "not one after another");
  assert.deepEqual(new Set(all.map(p => p.reason?.code)), new Set(["not_a_gateway", "timeout"]));
  assert.equal(all[0].reason.status, 503);
  assert.equal(all.at(-1).reason.code, "timeout");
  assert.ok(seen.length < 10, `${seen.length} requests`);
  healthy = true;
  assert.equal(await rt.publish("c"), "7");
  assert.equal(seen.at(-1).body, '{"event":"c"}');

  const silent = await script(t, () => {}, stored);
  const other = connect(silent.url, { timeout: 300 });
  t.after(() => other.close());
  await assert.rejects(other.publish("a"), { code: "timeout" });
  assert.equal(await other.publish("b"), "7");
});

test("after a cut, and after expired, one attempt within a second; then retry; then later each time", { timeout: 30_000 }, async t => {
  const expired = "event: expired\nid: 1\ndata: {\"event\":\"expired\",\"data\":{\"reason\":\"exp\"}}\n\n";
  for (const first of [cuts(init(1, 1500)), streams(init(1, 1500) + expired)]) {
    const { url, seen } = await script(t, first, cuts(init(1, 1500)), says(503), streams(init(1), false));
    const rt = connect(url, { token: () => "a.b.c" });
    t.after(() => rt.close());
    const told = collect(rt, "disconnect");
    await poll("four", () => seen.length === 4, 12_000);
    const [a, b, c] = pauses(seen);
    assert.ok(a < 1300, `at once: ${a}`);
    assert.ok(b >= 1500, `then retry: ${b}`);
    assert.ok(c >= 1500, `and again: ${c}`);
  }
});

test("a gateway that cuts at once is asked less and less", { timeout: 20_000 }, async t => {
  const { url, seen } = await script(t, streams(init(1)));
  const rt = connect(url);
  t.after(() => rt.close());
  rt.on("*", () => {});
  await poll("six", () => seen.length === 6, 15_000);
  const waits = pauses(seen);
  assert.ok(waits[4] > 1900 && waits[4] > 2 * waits[1], `${waits}`);
});

test("a token is renewed before it ends, without a cut or a hole", { timeout: 30_000 }, async t => {
  const given = [];
  const rt = connect(base, { token: () => (given.push(Date.now()), jwt(5)), channels: ["renew"] });
  t.after(() => rt.close());
  const got = collect(rt, "renew"), told = [...["disconnect", "expired", "error", "reconnect"]].map(n => collect(rt, n));
  await when(rt, "connect");
  let n = 0;
  await poll("two renewals", async () => {
    await post({ event: "renew", data: n++ });
    return given.length === 3;
  }, 20_000);
  await post({ event: "renew", data: n++ });
  await poll("all", () => got.length === n);
  assert.deepEqual(got.map(e => e.data), Array.from({ length: n }, (_, i) => i));
  assert.deepEqual(told, [[], [], [], []]);
});

test("pageshow, a page that becomes visible, and online bring it back at once", { timeout: 20_000 }, async t => {
  const { window, document } = page(t);
  const { url, seen } = await script(t, says(503, {}, { "retry-after": "60" }));
  const rt = connect(url, { apikey: "k" });
  t.after(() => rt.close());
  rt.on("*", () => {});
  for (const [i, [target, type]] of [[window, "pageshow"], [document, "visibilitychange"], [window, "online"]].entries()) {
    await poll("waiting", () => seen.length === i + 1 && rt.state === "waiting");
    target.dispatchEvent(new Event(type));
    await poll(type, () => seen.length === i + 2, 2000);
  }
});

test("no request waits for the browser's cache, which Firefox locks while another tab has the same stream", { timeout: 20_000 }, async t => {
  const seen = [];
  const rt = connect("http://127.0.0.1", { fetch: async (_, options) => {
    seen.push(options);
    return new Response(options.method ? '{"id":"1"}' : init(1), { headers: { "content-type": "text/event-stream" } });
  } });
  t.after(() => rt.close());
  rt.on("*", () => {});
  await rt.publish("a");
  await poll("both", () => seen.length > 1);
  for (const { cache } of seen) assert.equal(cache, "no-store");
});

test("Retry-After is a minute at most", { timeout: 20_000 }, async t => {
  const { url } = await script(t, says(503, {}, { "retry-after": "86400" }));
  const rt = connect(url);
  t.after(() => rt.close());
  const { delay } = await when(rt, "disconnect");
  assert.ok(delay >= 60_000 && delay <= 72_000, `${delay}`);
});

test("what a proxy says for a moment passes; only the gateway's own refusal is final", { timeout: 60_000 }, async t => {
  const { url, seen } = await script(t, html(404), says(403, { message: "Forbidden" }), html(200), html(401), says(400, { code: 400, message: "no" }), streams(init(1) + frame(2, "x"), false));
  const rt = connect(url, { apikey: "k" });
  t.after(() => rt.close());
  const told = collect(rt, "disconnect"), got = collect(rt, "a");
  await poll("the event", () => got.length, 30_000);
  assert.deepEqual(told.map(d => d.status), [404, 403, 200, 401, 400]);
  assert.deepEqual(new Set(told.map(d => d.code)), new Set(["not_a_gateway"]));
  assert.ok(pauses(seen).at(-1) > pauses(seen)[0], "later each time");
  const final = await script(t, refuses(403, "forbidden"));
  const refused = connect(final.url, { apikey: "k" });
  assert.deepEqual({ ...await when(refused, "error") }.code, "forbidden");
  assert.equal(refused.state, "closed");
  assert.equal(final.seen.length, 1);
});

test("navigator.onLine is a hint: a gateway on loopback is found", { timeout: 30_000 }, async t => {
  const { window, navigator } = page(t, false);
  const rt = connect(base, { apikey: key });
  t.after(() => rt.close());
  const opened = when(rt, "connect");
  assert.match(await rt.publish("x"), /^\d+$/);
  await opened;
  navigator.onLine = true;
  window.dispatchEvent(new Event("online"));
  navigator.onLine = false;
  window.dispatchEvent(new Event("offline"));
  await poll("offline", () => rt.state === "offline");
  await poll("open", () => rt.state === "open");
  assert.match(await rt.publish("x"), /^\d+$/);
});

test("a listener that is taken off during an event is not called", { timeout: 20_000 }, async t => {
  const { url } = await script(t, streams(init(1) + frame(2, "x"), false));
  const rt = connect(url);
  t.after(() => rt.close());
  const called = [];
  rt.on("a", () => {
    called.push(1);
    second();
    rt.off("a", third);
  });
  const second = rt.on("a", () => called.push(2)), third = () => called.push(3);
  rt.on("a", third);
  rt.on("a", () => called.push(4));
  await poll("the last", () => called.includes(4));
  assert.deepEqual(called, [1, 4]);
});

test("a wrong url or option is named at once", () => {
  for (const [url, hint] of [["localhost:8080", "http://localhost:8080"], ["127.0.0.1:8080", "http://127.0.0.1:8080"], ["example.com/a", "http://example.com/a"], ["ws://host", "http://host"], ["http:host", "http://host"]])
    assert.throws(() => connect(url), e => e instanceof TypeError && e.code === "bad_url" && e.message.includes(`"${hint}"`), url);
  for (const [name, right] of [["apiKey", "apikey"], ["api_key", "apikey"], ["lastEventID", "lastEventId"], ["Token", "token"], ["ping-timeout", "pingTimeout"]])
    assert.throws(() => connect(base, { [name]: "x" }), e => e.code === "bad_option" && e.message.includes(`"${name}": did you mean "${right}"`), name);
  const rt = connect(base, { fetch: () => assert.fail("a request") });
  const names = "from,after,to,limit,types,channels,until";
  for (const [name, right] of [["form", names], ["Limit", "limit"], ["signl", names], ["stream", names]])
    assert.throws(() => rt.stream("orders", { from: -1, [name]: 1 }), e => e instanceof TypeError && e.code === "bad_option" && e.message === `no option "${name}": did you mean "${right}"?`, name);
  for (const options of [{ apikey: "a\nb" }, { token: "日" }]) assert.throws(() => connect(base, options), { name: "TypeError", code: "bad_option" });
  assert.throws(() => connect(base).on("a:b:c", () => {}), { name: "TypeError", code: "bad_channel" });
  connect(new URL(base)).close();
});
