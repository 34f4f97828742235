// Pages written for RestDB, under trouble: cuts, proxies that say strange things, a browser that thinks it is offline.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { Clock, Door, inVM } from "./restdb-tools.mjs";
import { connections } from "./sdk-tools.mjs";

const key = "trouble-0123456789abcdef";
let gateway, slow, base, browser, opened = []; // slow seldom pings, and its retry is five minutes

before(async () => {
  gateway = new Gateway({
    API_KEYS: JSON.stringify([{ name: "all", key, sub: ["*"], pub: ["*"], rest: ["*:*"] }]),
    PING_INTERVAL: "300ms", LOG_LEVEL: "error",
  });
  base = await gateway.start();
  slow = new Gateway({ ...gateway.env, RETRY_CONNECT: "5m", RETRY_EVENT: "5m", PING_INTERVAL: "1m" });
  await slow.start();
  browser = await launch();
});
afterEach(async () => {
  opened.splice(0).forEach(db => db.close());
  for (const context of browser.contexts()) await context.close();
  await poll("no stream left", async () => await connections(base) === 0);
});
after(async () => {
  await browser?.close();
  await gateway.remove();
  await slow.remove();
});

async function call(method, path, body, to = base) {
  const r = await fetch(to + path, { method, body: JSON.stringify(body), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.ok(r.ok, `${r.status}`);
}

// way is how a page hears: through the SDK, or through an EventSource where a policy forbids the module.
const ways = ["the SDK", "EventSource"];
const head = (way, url) => (way === "the SDK" ? "" : `<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-inline' 'unsafe-eval' ${url}/rest/_jsapi.js">`) +
  `<script src="${url}/rest/_jsapi.js"></script>`;

// open serves a page from the door, so that a context's pages are of one origin.
async function open(t, door, html, context) {
  const was = door.answer;
  const page = await (context ?? await browser.newContext()).newPage(), faults = [];
  page.on("pageerror", e => faults.push(e.message));
  t.after(() => assert.deepEqual(faults, []));
  await page.route(door.url + "/page", route => route.fulfill({ contentType: "text/html", body: "<!doctype html>" + html }));
  await page.goto(door.url + "/page");
  door.answer = was;
  return page;
}

// chat is RestDB's own sample: all is loaded on CONNECT, and what is heard comes beside it.
const chat = (way, url, name, options = "") => `${head(way, url)}<div id=messages></div><script>
  var told = [], loads = 0, db = new restdb("${key}", { realtime: true${options} });
  var show = function (doc) {
    var line = document.createElement("p");
    line.id = doc._id;
    line.textContent = doc.text;
    messages.append(line);
  };
  db.on("CONNECT", function () {
    told.push("CONNECT");
    messages.replaceChildren();
    db["${name}"].find({}, { $max: 100, $orderby: { _created: 1 } }, function (err, docs) { docs.forEach(show); loads++; });
  });
  db.on("DISCONNECT", function () { told.push("DISCONNECT"); });
  db.on("RECONNECT", function () { told.push("RECONNECT"); });
  db.on("POST", function (err, e) { if (e.collection === "${name}") show(e.data); });
  db.on("DELETE", function (err, e) { [].concat(e.data).forEach(id => { if (document.getElementById(id)) document.getElementById(id).remove(); }); });
</script>`;
const shown = page => page.evaluate(() => [...messages.children].map(line => line.textContent).join());
const loaded = (page, n) => poll(`load ${n}`, () => page.evaluate(n => loads >= n, n));

for (const way of ways) test(`the chat sample shows what was missed once: ${way}`, { timeout: 60_000 }, async t => {
  const door = new Door(base), name = "chat-" + way.replace(" ", "-");
  await door.start(t);
  await call("POST", "/rest/" + name, [{ _id: "a", text: "a" }, { _id: "b", text: "b" }]);
  const page = await open(t, door, chat(way, door.url, name, ", reconnectdelay: 200"));
  await loaded(page, 1);
  await call("POST", "/rest/" + name, { _id: "c", text: "c" });
  await poll("c", async () => await shown(page) === "a,b,c");
  for (let round = 0, all = "a,b,c"; round < 3; round++) {
    door.shut();
    await poll("DISCONNECT", () => page.evaluate(() => told.at(-1) === "DISCONNECT"));
    for (const n of [1, 2]) await call("POST", "/rest/" + name, { text: `${round}.${n}` });
    await call("POST", "/rest/" + name, { _id: "gone", text: "gone" });
    await call("DELETE", `/rest/${name}/gone`);
    door.open();
    await loaded(page, round + 2);
    await call("POST", "/rest/" + name, { text: `${round}.live` });
    all += `,${round}.1,${round}.2,${round}.live`;
    await poll(async () => `${await shown(page)}, not ${all}`, async () => (await shown(page)).endsWith("live"));
    assert.equal(await shown(page), all);
  }
  const told = (await page.evaluate(() => told)).filter((n, i, all) => n !== all[i - 1]);
  assert.deepEqual(told, ["CONNECT", ...Array(3).fill(["DISCONNECT", "RECONNECT", "CONNECT"]).flat()]);
});

test("tabs that share a connection: each shows what was missed once", { timeout: 60_000 }, async t => {
  const door = new Door(base), name = "chat-tabs";
  await door.start(t);
  const context = await browser.newContext(), pages = [];
  for (let n = 0; n < 3; n++) {
    pages.push(await open(t, door, chat("the SDK", door.url, name), context));
    await loaded(pages[n], 1);
  }
  assert.equal(await connections(base), 1);
  assert.deepEqual(await Promise.all(pages.map(p => p.evaluate(() => told))), Array(3).fill(["CONNECT"]), "who joins disturbs nobody");
  door.shut();
  await Promise.all(pages.map(p => poll("DISCONNECT", () => p.evaluate(() => told.at(-1) === "DISCONNECT"))));
  for (const text of ["1", "2", "3"]) await call("POST", "/rest/" + name, { text });
  door.open();
  await Promise.all(pages.map(p => loaded(p, 2)));
  await call("POST", "/rest/" + name, { text: "4" });
  await Promise.all(pages.map(p => poll("4", async () => (await shown(p)).endsWith("4"))));
  assert.deepEqual(await Promise.all(pages.map(shown)), Array(3).fill("1,2,3,4"));
  await pages.shift().close(); // another leads
  await call("POST", "/rest/" + name, { text: "5" });
  await Promise.all(pages.map(p => poll(() => "5", async () => (await shown(p)).endsWith("5"))));
  await Promise.all(pages.map(async p => assert.equal(await shown(p), "1,2,3,4,5")));
});

test("a tab that joins another's connection is told CONNECT at once", { timeout: 30_000 }, async t => {
  const door = new Door(slow.url), context = await browser.newContext();
  await door.start(t);
  for (const n of [1, 2, 3]) await loaded(await open(t, door, chat("the SDK", door.url, "chat-join"), context), 1);
  assert.equal(await connections(slow.url), 1);
});

for (const way of ways) test(`navigator.onLine says false: ${way}`, { timeout: 60_000 }, async t => {
  const door = new Door(base);
  await door.start(t);
  const page = await open(t, door, `<script>Object.defineProperty(navigator, "onLine", { get: () => false });</script>${head(way, door.url)}<script>
    var said = [], db = new restdb("${key}", { realtime: true });
    for (const n of [1, 2]) db.publish("boing", n, (err, answer) => said.push(err ? err.message : answer.message));
  </script>`);
  await poll("both callbacks", () => page.evaluate(() => said.length === 2), 20_000);
  assert.deepEqual(await page.evaluate(() => said), ["OK", "OK"]);
});

for (const way of ways) test(`what is published without a network is stored once, in order, when it is back: ${way}`, { timeout: 60_000 }, async t => {
  const door = new Door(base);
  await door.start(t);
  const listener = inVM(), heard = [];
  opened.push(listener.db = new listener.restdb(key, { realtime: true, url: base }));
  listener.db.on("later", (err, e) => heard.push(e.data));
  await new Promise(done => listener.db.on("CONNECT", done));
  const context = await browser.newContext();
  const page = await open(t, door, `${head(way, door.url)}<script>
    var said = [], told = [], db = new restdb("${key}", { realtime: true });
    for (const n of ["CONNECT", "DISCONNECT"]) db.on(n, () => told.push(n));
  </script>`, context);
  await poll("CONNECT", () => page.evaluate(() => told.includes("CONNECT")));
  await context.setOffline(true);
  door.shut();
  await page.evaluate(() => { for (const n of [1, 2, 3]) db.publish("later", n, (err, answer) => said.push(err ? err.message : answer.message)); });
  await poll("DISCONNECT", () => page.evaluate(() => told.includes("DISCONNECT")));
  door.open();
  await context.setOffline(false);
  await poll("all", () => page.evaluate(() => said.length === 3), 20_000);
  assert.deepEqual(await page.evaluate(() => said), ["OK", "OK", "OK"]);
  await poll("heard", () => heard.length === 3);
  assert.deepEqual(heard, [1, 2, 3]);
});

for (const [what, path] of [["the module", "/sdk/sluice.js"], ["the stream", "/realtime"]])
  test(`${what} is never answered: calls are, all the same`, { timeout: 60_000 }, async t => {
    const door = new Door(base);
    await door.start(t);
    door.answer = near => near.method === "GET" && near.url.startsWith(path);
    const page = await open(t, door, `${head("the SDK", door.url)}<script>
      var said = [], db = new restdb("${key}", { realtime: true });
      db.publish("boing", 1, (err, answer) => said.push(err ? err.message : answer.message));
      new db.calls({}).save((err, doc) => said.push(err ? err.message : "saved"));
    </script>`);
    await poll("both", () => page.evaluate(() => said.length === 2), 25_000);
    assert.deepEqual((await page.evaluate(() => said)).sort(), ["OK", "saved"]);
  });

// strange are answers that are not the gateway's.
const strange = {
  "a page with 404": (_, r) => r.writeHead(404, { "content-type": "text/html" }).end("<h1>Not found</h1>"),
  "a proxy's 403": (_, r) => r.writeHead(403, { "content-type": "application/json" }).end(`{"message":"blocked"}`),
  "a captive portal": (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<h1>Sign in</h1>"),
  "JSON of others": (_, r) => r.writeHead(200, { "content-type": "application/json" }).end(`{"ok":true}`),
  "503, for a day": (_, r) => r.writeHead(503, { "content-type": "text/html", "retry-after": "86400" }).end("<h1>Back soon</h1>"),
  "an answer that ends early": (_, r) => r.writeHead(200, { "content-type": "application/json", "content-length": "100" }).write("{", () => r.destroy()),
  "a cut": (_, r) => r.destroy(),
  "no answer": () => {},
};

// run makes a db in a world with a clock of its own, behind a door. Its time passes only while the test asks for it.
async function run(t, options = {}) {
  const clock = new Clock(), door = new Door(base, clock), told = [];
  await door.start(t);
  const db = new (inVM(clock.world()).restdb)(key, { url: door.url, ...options });
  for (const n of ["CONNECT", "DISCONNECT", "RECONNECT"]) db.on(n, () => told.push(n));
  opened.push(db);
  // said gives what count calls have said, each by a function that gets a callback.
  const said = async (count, call) => {
    const all = Array(count);
    let left = count;
    for (let n = 0; n < count; n++) call((err, answer) => {
      all[n] = err ?? answer.message;
      left--;
    }, n);
    await clock.until("the callbacks", () => left === 0);
    return all;
  };
  const publish = (count, name = "boing") => said(count, (callback, n) => db.publish(name, n, callback));
  return { clock, door, db, told, said, publish };
}

// each tries all strange answers at once, each in a world of its own.
const each = (t, options, what) => Promise.all(Object.entries(strange).map(async ([name, answer]) => {
  await what(name, await run(t, options), (near, r) => (answer(near, r), true));
}));

test("a publish gets through strange answers, once", { timeout: 30_000 }, t => each(t, {}, async (name, { door, publish }, answer) => {
  const bad = /^503|^no answer/.test(name) ? 1 : 2; // those take long, and a publish gives up after 90 seconds
  let times = bad;
  door.answer = (near, r) => near.method === "POST" && times-- > 0 && answer(near, r);
  assert.deepEqual(await publish(2), ["OK", "OK"], name);
  const keys = door.of("POST").map(r => r.headers["idempotency-key"]);
  assert.equal(keys.length, bad + 2, name);
  assert.equal(new Set(keys).size, 2, "each has one key");
}));

test("a publish that never gets through ends, and what waits behind it", { timeout: 30_000 }, t => each(t, {}, async (name, { clock, door, publish }, answer) => {
  door.answer = answer;
  const began = clock.now, errors = await publish(50);
  assert.ok(errors.every(e => /gateway|before it/.test(e.message)), name);
  assert.equal(clock.now - began, 90_000, name);
  const posts = door.of("POST").length;
  assert.ok(posts > 1 && posts < 50, `${name}: ${posts} attempts`);
}));

test("publishes over a slow network wait for each other, and get through", { timeout: 30_000 }, async t => {
  const { clock, door, publish } = await run(t), began = clock.now;
  door.late = 6000;
  assert.deepEqual(await publish(30), Array(30).fill("OK"));
  assert.equal(clock.now - began, 30 * 6000);
  const keys = door.of("POST").map(r => r.headers["idempotency-key"]);
  assert.equal(keys.length, 30);
  assert.equal(new Set(keys).size, 30);
});

test("the stream comes back after strange answers", { timeout: 30_000 }, t => each(t, { realtime: true }, async (name, { clock, door, told }, answer) => {
  await clock.until("CONNECT", () => told.includes("CONNECT"));
  let times = 3;
  door.answer = (near, r) => near.method === "GET" && times-- > 0 && answer(near, r);
  door.cut();
  await poll("DISCONNECT", () => told.includes("DISCONNECT"));
  await clock.until(name, () => told.filter(n => n === "CONNECT").length === 2);
  assert.deepEqual(told, ["CONNECT", ...Array(4).fill("DISCONNECT"), "RECONNECT", "CONNECT"], name);
}));

test("a stream that is never there is asked for less and less, and holds no publish up", { timeout: 30_000 }, t => each(t, { realtime: true }, async (name, { clock, door, publish }, answer) => {
  door.answer = (near, r) => near.method === "GET" && answer(near, r);
  assert.deepEqual(await publish(1), ["OK"], name);
  await clock.pass(300_000);
  const gets = door.of("GET").length;
  assert.ok(gets > 1 && gets < 20, `${name}: ${gets} attempts`);
}));

test("a stream that is cut again and again is asked for less and less", { timeout: 30_000 }, async t => {
  const { clock, door, told } = await run(t, { realtime: true });
  const frames = `id: 1\ndata: {"channel":"init","data":{}}\n\nevent: live\ndata: {}\n\n`;
  door.answer = (near, r) => near.method === "GET" &&
    r.writeHead(200, { "content-type": "text/event-stream", "content-length": frames.length }).end(frames); // the length tells the clock of the end
  await clock.pass(300_000);
  assert.ok(told.includes("CONNECT"));
  const gets = door.of("GET").length;
  assert.ok(gets > 1 && gets < 20, `${gets} attempts`);
});

test("the gateway's own refusals are final, and a redirect is named at once", { timeout: 30_000 }, async t => {
  const { door, publish } = await run(t);
  const [refused] = await publish(1, "ping");
  assert.deepEqual([refused.status, refused.code], [400, "bad_event"]);
  door.answer = (near, r) => near.method === "POST" && r.writeHead(301, { location: base + near.url }).end();
  const [moved] = await publish(1);
  assert.match(moved.message, /leads elsewhere/);
  assert.equal(door.of("POST").length, 2);
  const page = await open(t, door, head("the SDK", door.url));
  const said = await page.evaluate(([key, url]) => new Promise(done => new restdb(key, { url }).publish("boing", 1, err => done(err && err.message))), [key, door.url]);
  assert.match(said, /leads elsewhere/);
});

test("a call that is never answered ends with an error", { timeout: 30_000 }, async t => {
  const { clock, door, db, said } = await run(t), began = clock.now;
  door.answer = () => true;
  const errors = await said(2, (callback, n) => n ? db.calls.getById("a", callback) : db.calls.find({}, callback));
  assert.deepEqual(errors.map(e => [e.status, e.message]), Array(2).fill([0, "the gateway could not be reached"]));
  assert.equal(clock.now - began, 90_000);
});

for (const [what, comes] of [
  ["online", () => dispatchEvent(new Event("online"))],
  ["pageshow", () => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))],
  ["visibilitychange", () => document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))],
]) test(`${what} brings an EventSource back at once`, { timeout: 60_000 }, async t => {
  const door = new Door(slow.url);
  await door.start(t);
  const page = await open(t, door, `${head("EventSource", door.url)}<script>
    var told = [], got = [], db = new restdb("${key}", { realtime: true, reconnectdelay: 60000 });
    for (const n of ["CONNECT", "DISCONNECT"]) db.on(n, () => told.push(n));
    db.on("boing", (err, e) => got.push(e.data));
  </script>`);
  await poll("CONNECT", () => page.evaluate(() => told.includes("CONNECT")));
  door.shut();
  await poll("a pause of a minute", () => page.evaluate(() => told.filter(n => n === "DISCONNECT").length >= 2));
  await call("POST", "/realtime", { event: "boing", data: 1 }, slow.url);
  door.open();
  await page.evaluate(comes);
  await poll("CONNECT again", () => page.evaluate(() => told.at(-1) === "CONNECT"));
  assert.deepEqual(await page.evaluate(() => got), [1]);
});

test("in the back/forward cache a page has no connection, and it comes back with what it missed", { timeout: 60_000 }, async t => {
  const caching = await launch({ chromium: { ignoreDefaultArgs: ["--disable-back-forward-cache"] } });
  t.after(() => caching.close());
  const door = new Door(base);
  await door.start(t);
  const page = await open(t, door, `${head("EventSource", door.url)}<script>
    var told = [], got = [], shown, db = new restdb("${key}", { realtime: true });
    addEventListener("pageshow", e => shown = e.persisted);
    db.on("CONNECT", () => told.push("CONNECT"));
    db.on("boing", (err, e) => got.push(e.data));
  </script>`, await caching.newContext());
  await poll("CONNECT", () => page.evaluate(() => told.includes("CONNECT")));
  await page.goto(door.url + "/healthz");
  await poll("no connection", async () => await connections(base) === 0);
  await call("POST", "/realtime", [{ event: "boing", data: 1 }, { event: "boing", data: 2 }]);
  await page.goBack({ waitUntil: "commit" });
  await poll("both", () => page.evaluate(() => got.length === 2));
  await call("POST", "/realtime", { event: "boing", data: 3 });
  await poll("the third", () => page.evaluate(() => got.length === 3));
  assert.deepEqual(await page.evaluate(() => [shown, got, told]), [true, [1, 2, 3], ["CONNECT"]]);
  await page.close();
});

test("after a cut an EventSource is back at once, whatever retry says", { timeout: 60_000 }, async t => {
  const door = new Door(slow.url);
  await door.start(t);
  const page = await open(t, door, `${head("EventSource", door.url)}<script>
    var told = [], db = new restdb("${key}", { realtime: true });
    for (const n of ["CONNECT", "DISCONNECT"]) db.on(n, () => told.push(n));
  </script>`);
  await poll("CONNECT", () => page.evaluate(() => told.includes("CONNECT")));
  door.cut();
  await poll("CONNECT again", () => page.evaluate(() => told.join() === "CONNECT,DISCONNECT,CONNECT"));
});
