// Rooms from the outside: over HTTP, as Server-Sent Events, through restarts, and what bounds them.
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Api, events, faults, fence, get, HttpConnection, join, leaveAll, of, present, push, pushes, settled, socket } from "./driftdb-client.mjs";
import { Gateway, poll } from "./gateway.mjs";

const adminKey = "rooms-0123456789abcdef", range = n => Array.from({ length: n }, (_, i) => i);

const gateways = [];
async function start(env) {
  const gateway = new Gateway({ ROOM_CREATE: "open", ROOM_CREATE_RATE: "10000", ROOM_CREATE_RATE_ALL: "10000", ADMIN_KEY: adminKey, LOG_LEVEL: "debug", ...env }, { keep: true });
  gateways.push(gateway);
  await gateway.start();
  gateway.api = new Api(gateway.url);
  return gateway;
}

const rooms = [];
async function newRoom(gateway) {
  const room = await gateway.api.newRoom();
  rooms.push(room.room);
  return room;
}

let shared;
const main = () => shared ??= start({ TRUSTED_PROXIES: "127.0.0.1" });

afterEach(() => { leaveAll(); faults.length = 0; });
after(() => Promise.all(gateways.map(g => g.remove())));

const admin = async (g, where) => (await fetch(g.url + where, { headers: { "x-apikey": adminKey, authorization: `Bearer ${adminKey}` } })).text();

test("HttpConnection: push, get, ping; nonsense is a 4xx, sending to an unknown room a 404", async () => {
  const g = await main(), room = await newRoom(g), http = new HttpConnection(room.http_url), peer = await settled(room, true);
  const put = (value, type = "append", seq) => http.send({ type: "push", key: "k", value, action: { type, seq } });
  assert.equal(await put("a"), null);
  assert.deepEqual(await put("b"), { type: "stream_size", key: "k", size: 2 });
  assert.deepEqual(await put("c", "relay"), { type: "stream_size", key: "k", size: 2 });
  assert.deepEqual(await put("d", "compact", 1), { type: "stream_size", key: "k", size: 2 });
  assert.deepEqual(await http.send({ type: "get", key: "k", seq: 0 }), { type: "init", key: "k", data: [{ value: "d", seq: 1 }, { value: "b", seq: 2 }] });
  assert.deepEqual(await http.send({ type: "get", key: "k", seq: 1 }), { type: "init", key: "k", data: [{ value: "b", seq: 2 }] });
  assert.deepEqual(await http.send({ type: "get", key: "none" }), { type: "init", key: "none", data: [] });
  assert.equal(await put("e", "replace"), null);
  assert.deepEqual(await http.send({ type: "ping" }), { type: "pong", nonce: null });
  assert.deepEqual(await http.send({ type: "ping", nonce: 17 }), { type: "pong", nonce: 17 });
  await fence(peer);
  assert.deepEqual(of(peer).map(m => [m.type, m.seq, m.value]), [["push", 1, "a"], ["push", 2, "b"], ["push", 3, "c"], ["push", 4, "e"]]);
  for (const body of ["", "{", "[]", "null", "5", "{}", '{"type":"x"}', '{"type":"push","key":"k"}', '{"type":"get"}', '{"type":"ping"}{}', "\ufffe"]) {
    const r = await fetch(room.http_url, { method: "POST", body, headers: { "content-type": "application/json" } });
    const answer = await r.json();
    assert.ok(r.status >= 400 && r.status < 500 && answer.message, `${body}: ${r.status} ${JSON.stringify(answer)}`);
  }
  const none = room.http_url.replace(room.room, "nosuchroom");
  await assert.rejects(new HttpConnection(none).send({ type: "ping" }), /404/);
  for (const [method, where] of [["GET", "/presence"], ["POST", "/send"], ["GET", "/connect"], ["POST", ""]]) {
    assert.equal((await fetch(`${g.url}/room/nosuchroom${where}`, { method })).status, where === "" ? 405 : 404, where);
  }
  await assert.rejects(socket(`${g.url.replace("http", "ws")}/room/undefined/connect`), /404/);
});

test("any page may use rooms; addresses follow what a proxy says", async () => {
  const g = await main(), room = await newRoom(g), origin = "https://a.example";
  for (const [method, where] of [["POST", "/new"], ["GET", `/room/${room.room}`], ["GET", `/room/${room.room}/presence`], ["POST", `/room/${room.room}/send`], ["GET", "/room/none"]]) {
    const r = await fetch(g.url + where, { method, headers: { origin }, body: method === "POST" ? '{"type":"ping"}' : undefined });
    assert.ok(["*", origin].includes(r.headers.get("access-control-allow-origin")), where);
    await r.text();
    const pre = await fetch(g.url + where, { method: "OPTIONS", headers: { origin, "access-control-request-method": method, "access-control-request-headers": "authorization,accept,content-type" } });
    assert.ok(pre.status < 300, where);
    assert.ok(["*", origin].includes(pre.headers.get("access-control-allow-origin")));
    assert.match(pre.headers.get("access-control-allow-methods"), new RegExp(method));
    for (const header of ["authorization", "accept", "content-type"]) assert.match(pre.headers.get("access-control-allow-headers").toLowerCase(), new RegExp(`(^|[ ,])${header}([ ,]|$)`));
  }
  const host = new URL(g.url).host;
  for (const [headers, ws, http] of [
    [{ "x-forwarded-proto": "https" }, `wss://${host}/room/`, `https://${host}/room/`],
    [{ "x-forwarded-proto": "https", "x-forwarded-prefix": "/db/x/" }, `wss://${host}/db/x/room/`, `https://${host}/db/x/room/`],
  ]) {
    const r = await (await fetch(g.url + "/new", { method: "POST", headers })).json();
    rooms.push(r.room);
    assert.deepEqual([r.socket_url, r.http_url], [`${ws}${r.room}/connect`, `${http}${r.room}/send`]);
  }
});

test("a debug connection is told whole streams", async () => {
  const g = await main(), room = await newRoom(g), db = await settled(room);
  push(db, "a", 1);
  push(db, "a", 2);
  push(db, "b", 3);
  await fence(db);
  const debug = await socket(room.socket_url + "?debug=true");
  const of = () => debug.frames.filter(m => m.key !== "fence");
  await poll("an init for each key", () => of().length === 2);
  assert.deepEqual(of().toSorted((x, y) => x.key < y.key ? -1 : 1), [
    { type: "init", key: "a", data: [{ value: 1, seq: 1 }, { value: 2, seq: 2 }] }, { type: "init", key: "b", data: [{ value: 3, seq: 3 }] },
  ]);
  debug.frames.length = 0;
  const { seq } = db.heard.find(m => m.key === "fence");
  const step = async (what, want) => {
    push(db, "a", ...what);
    await poll(() => `${what}: ${JSON.stringify(of())}`, () => of().length > 0, 3000);
    assert.deepEqual(of(), [want], what.join());
    debug.frames.length = 0;
  };
  const init = (...data) => ({ type: "init", key: "a", data: data.map(([seq, value]) => ({ value, seq })) });
  await step([4], init([1, 1], [2, 2], [seq + 1, 4]));
  await step([5, "relay"], { type: "push", key: "a", value: 5, seq: seq + 2 });
  await step([6, "compact", 2], init([2, 6], [seq + 1, 4]));
  await step([7, "replace"], init([seq + 3, 7]));
  debug.send('{"type":"push","key":"a","value":8,"action":{"type":"append"}}');
  await poll("its own", () => of().length >= 2);
  assert.deepEqual(of(), [init([seq + 3, 7], [seq + 4, 8]), { type: "stream_size", key: "a", size: 2 }]);
});

test("a room as Server-Sent Events, whole, narrowed to a key, and gone on with", async () => {
  const g = await main(), room = await newRoom(g), db = await settled(room);
  for (const n of range(6)) push(db, "ab"[n % 2], { n });
  push(db, "a", "gone", "relay");
  push(db, "a", { reset: 1 }, "compact", 3);
  await fence(db);
  const values = s => s.pushes.filter(m => m.key !== "fence").map(m => [m.key, m.seq, m.value?.n ?? m.value]);
  const [all, onlyA, none] = await Promise.all([events(room), events(room, { query: "?key=a" }), events(room, { query: "?key=" })]);
  assert.ok(all.status === 200 && /^text\/event-stream/.test(all.type));
  await poll("what is retained", () => all.pushes.length === 5 && onlyA.pushes.length === 2, 3000);
  assert.deepEqual(values(all).toSorted((x, y) => x[1] - y[1]), [["b", 2, 1], ["a", 3, { reset: 1 }], ["b", 4, 3], ["a", 5, 4], ["b", 6, 5]]);
  assert.deepEqual(values(onlyA), [["a", 3, { reset: 1 }], ["a", 5, 4]]);
  assert.deepEqual(all.pushes[0].type, "push");
  push(db, "a", "live", "relay");
  push(db, "b", "b");
  push(db, "", "x", "replace");
  await poll("live ones", () => values(all).length === 8 && values(onlyA).length === 3 && values(none).length === 1, 3000);
  assert.deepEqual(values(all).slice(5).map(v => [v[0], v[2]]), [["a", "live"], ["b", "b"], ["", "x"]]);
  assert.deepEqual(values(onlyA).at(-1)[2], "live");
  assert.deepEqual(values(none)[0][2], "x");

  // Gone on with: what came meanwhile, once.
  const { id } = all;
  assert.ok(id);
  all.disconnect();
  push(db, "a", "meantime");
  await fence(db);
  for (const options of [{ last: id }, { query: `?lastEventId=${encodeURIComponent(id)}` }]) {
    const again = await events(room, options);
    push(db, "b", "then");
    await poll("the rest", () => values(again).some(v => v[2] === "then"), 3000);
    assert.deepEqual(values(again).filter(v => v[2] !== "then").map(v => v[2]), ["meantime"]);
    again.disconnect();
    push(db, "b", "then", "compact", db.heard.filter(m => m.type === "push").at(-1).seq);
    await fence(db);
  }
  const unknown = await events(room, { last: "no such place" });
  await poll("all, after an id that is none", () => unknown.pushes.length >= 5, 3000);
});

test("over kill -9 and restarts numbers go on and the state is the same", { timeout: 30_000 }, async () => {
  const g = await start(), room = await newRoom(g), db = await settled(room, true), bytes = new Float32Array([1.5, 2]);
  push(db, "k", bytes);
  for (const n of range(40)) push(db, "k", n);
  push(db, "k", { reset: 9 }, "compact", 30);
  push(db, "s", "old", "replace");
  push(db, "s", "new", "replace");
  push(db, "s", "relay", "relay");
  await fence(db);
  const before = [await get(room, "k"), await get(room, "s")], last = Math.max(...pushes(db).map(m => m.seq));
  const stream = await events(room);
  await poll("what is retained", () => stream.pushes.length === 13);
  const { id } = stream;
  for (const signal of ["SIGKILL", "SIGTERM"]) {
    await g.stop(signal);
    await g.start();
    assert.equal((await g.api.getRoom(room.room)).socket_url, room.socket_url);
    assert.deepEqual([await get(room, "k"), await get(room, "s")], before, signal);
    await poll("the client's return", () => db.status.connected, 5000);
  }
  db.heard.length = 0;
  push(db, "k", "after");
  await poll("its echo", () => pushes(db, "k").length === 1);
  assert.ok(pushes(db, "k")[0].seq > last, "numbers never go back");
  const again = await events(room, { last: id });
  await poll("what is new", () => again.pushes.length > 0);
  await sleep(50);
  assert.deepEqual(again.pushes.map(m => [m.key, m.value]), [["k", "after"]]);
  const late = await join(room, true);
  late.subscribe("k", () => {});
  await poll("init", () => of(late, "init").length === 1);
  assert.deepEqual(of(late, "init")[0].data.map(({ seq, value }) => ({ seq, value })), await get(room, "k").then(l => l.map(({ seq, value }) => ({ seq, value }))));
});

test("presence: who is there, and soon not who was killed or froze", { timeout: 20_000 }, async () => {
  const g = await start({ WRITE_TIMEOUT: "6s" }), room = await newRoom(g), children = ["a", "b", "c"].map(name => present(room, name));
  const there = async () => (await (await fetch(`${g.url}/room/${room.room}/presence`)).json());
  await poll("all three", async () => (await there()).length === 3);
  assert.deepEqual(await there(), ["a", "b", "c"].map(client => ({ client, value: { here: true } })));
  children[0].kill("SIGKILL");
  children[1].kill("SIGSTOP");
  await poll("the killed one to go", async () => !(await there()).some(p => p.client === "a"), 2000);
  await poll("the frozen one to go", async () => (await there()).map(p => p.client).join() === "c", 6000);
  await poll("its connection to be given up", async () => Object.values(JSON.parse(await admin(g, "/admin/connections"))).flat().length === 1, 10_000);
});

test("ROOM_CREATE: off is 403, key asks for one; rooms that are there stay open", async () => {
  const off = await start({ ROOM_CREATE: "off" }), key = "driftdb-0123456789abcdef";
  const locked = await start({ ROOM_CREATE: "key", API_KEYS: JSON.stringify([{ name: "k", key, sub: ["x"], pub: ["x"] }]) });
  const r = await fetch(off.url + "/new", { method: "POST" });
  assert.equal(r.status, 403);
  assert.match(await r.text(), /^forbidden: /);
  await assert.rejects(off.api.newRoom(), SyntaxError, "an error that is no JSON");
  const asked = await fetch(off.url + "/new", { method: "POST", headers: { Accept: "application/json" } });
  assert.equal((await asked.json()).code, "forbidden");
  assert.equal((await fetch(locked.url + "/new", { method: "POST" })).status, 401);
  assert.equal((await fetch(locked.url + "/new", { method: "POST", headers: { "x-apikey": "wrong" } })).status, 401);
  const made = await fetch(locked.url + "/new", { method: "POST", headers: { "x-apikey": key } });
  assert.equal(made.status, 200);
  const { room } = await made.json();
  rooms.push(room);
  const db = await settled(await locked.api.getRoom(room)); // no key is asked for
  push(db, "k", 1);
  await poll("echo", () => pushes(db, "k").length === 1);
});

test("a full room answers by error messages, and goes on", async () => {
  const g = await start({ MAX_ROOM_BYTES: "20000B", MAX_ROOM_KEYS: "3" }), room = await newRoom(g);
  for (const cbor of [false, true]) {
    const db = await settled(room, cbor), text = "x".repeat(6000);
    for (const n of range(5)) push(db, "big", text);
    await fence(db);
    assert.ok(pushes(db, "big").length < 4 && of(db, "error").length >= 2, "refused");
    for (const e of of(db, "error")) assert.match(e.message, /MAX_ROOM_BYTES/);
    assert.deepEqual(db.heard.filter(m => m.type === "push").map(m => m.seq), db.heard.filter(m => m.type === "push").map((m, i, l) => l[0].seq + i), "a refused one takes no number");
    push(db, "big", 1, "replace");
    for (const key of ["k1", "k2", "k3", "k4"]) push(db, key, 1, "replace");
    push(db, "k5", 1, "relay");
    await fence(db);
    assert.deepEqual(pushes(db).filter(m => m.value === 1).map(m => m.key), ["big", "k1", "k2", "k5"]);
    assert.deepEqual(of(db, "error").filter(m => /MAX_ROOM_KEYS/.test(m.message)).length, 2);
    await assert.rejects(new HttpConnection(room.http_url).send({ type: "push", key: "k9", value: 1, action: { type: "append" } }), /4\d\d/);
    leaveAll();
  }
});

test("no room's id is in the log, in the list of connections, or in metrics", async () => {
  const g = await main(), room = await newRoom(g), db = await join(room, true);
  const stream = await events(room);
  push(db, "k", 1);
  await poll("a push", () => stream.pushes.length === 1);
  const seen = [await admin(g, "/admin/connections"), await admin(g, "/admin/stats"), await admin(g, "/metrics")];
  assert.match(seen[0], /room/);
  leaveAll();
  await sleep(300);
  const logs = gateways.map(one => one.log).join("");
  assert.ok(logs.length > 1000 && rooms.length > 8);
  for (const id of rooms) for (const text of [logs, ...seen]) assert.ok(!text.includes(id), text.split("\n").find(line => line.includes(id)));
});
