// The published DriftDB client, unmodified, sends all it can at once: nothing is lost.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Api, answered, faults, get, leaveAll, make, of, push, pushes, settled, StateListener } from "./driftdb-client.mjs";
import { Gateway, poll } from "./gateway.mjs";

let gateway, api;
before(async () => {
  gateway = new Gateway({ ROOM_CREATE: "open", ADMIN_KEY: "rooms-0123456789abcdef", LOG_LEVEL: "error" });
  api = new Api(await gateway.start());
});
afterEach(() => {
  leaveAll();
  assert.deepEqual(faults.splice(0), [], "messages that the client does not know");
});
after(() => gateway.remove());

const range = n => Array.from({ length: n }, (_, i) => i);

for (const cbor of [false, true]) test(`500 appends queued before connecting: ${cbor ? "CBOR" : "JSON"}`, { timeout: 30_000 }, async () => {
  const room = await api.newRoom(), db = make();
  for (const n of range(500)) push(db, "k", n);
  await db.connect(room.socket_url, cbor);
  await answered(db);
  assert.deepEqual((await get(room, "k")).map(e => e.value), range(500));
  assert.deepEqual(of(db, "error"), []);
});

test("310 replaces in a burst: the last value wins", { timeout: 30_000 }, async () => {
  const room = await api.newRoom(), db = await settled(room);
  for (const n of range(310)) push(db, "k", n, "replace");
  await answered(db);
  assert.deepEqual((await get(room, "k")).map(e => e.value), [309]);
  assert.deepEqual(pushes(db, "k").map(m => m.value), range(310));
});

test("a grid of 20 x 20 shared states: every cell is filled", { timeout: 60_000 }, async () => {
  const room = await api.newRoom(), [a, b] = [await settled(room), await settled(room)];
  const shown = [];
  const grid = (db, show) => range(400).map(i => new StateListener({ key: `cell-${i}`, db, callback: v => show(i, v) }));
  const mine = grid(a, () => {}), theirs = grid(b, (i, v) => shown[i] = v);
  for (const one of [...mine, ...theirs]) one.subscribe();
  await Promise.all([answered(a), answered(b)]);
  mine.forEach((cell, i) => cell.setStateOptimistic({ i }));
  await poll("all cells", () => range(400).every(i => shown[i]?.i === i), 30_000);
  assert.deepEqual([...of(a, "error"), ...of(b, "error")], []);
});

test("ten clients that send 280 relays a second cost a calm one no append", { timeout: 60_000 }, async () => {
  const room = await api.newRoom(), crowd = await Promise.all(range(10).map(() => settled(room))), calm = await settled(room);
  let sent = 0;
  const began = Date.now(), tick = setInterval(() => {
    for (; sent < (Date.now() - began) * 0.28; sent++) for (const db of crowd) push(db, "mouse", sent, "relay");
    for (const db of crowd) db.heard.length = 0; // they would hold it all
  }, 10);
  try {
    for (const n of range(20)) {
      push(calm, "k", n);
      await poll(`append ${n}`, () => pushes(calm, "k").length === n + 1, 5000);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  } finally {
    clearInterval(tick);
  }
  assert.deepEqual((await get(room, "k")).map(e => e.value), range(20));
  assert.deepEqual(of(calm, "error"), []);
});

for (const cbor of [false, true]) test(`a compact without a value frees its key: ${cbor ? "CBOR" : "JSON"}`, { timeout: 30_000 }, async () => {
  const room = await api.newRoom(), db = await settled(room, cbor);
  for (const value of [undefined, null]) {
    push(db, "k", 1);
    push(db, "k", 2);
    await answered(db);
    const { seq } = pushes(db, "k").at(-1);
    push(db, "k", value, "compact", seq);
    await answered(db);
    assert.deepEqual(await get(room, "k"), []);
    const late = await settled(room, cbor), got = [];
    late.subscribe("k", e => got.push(e.value));
    await poll("init", () => of(late, "init").length === 1);
    assert.deepEqual(got, []);
  }
  assert.deepEqual(of(db, "error"), []);
});

test("a compact of more than MAX_BODY is told by an error, and the connection goes on", { timeout: 30_000 }, async () => {
  const room = await api.newRoom(), db = await settled(room, true);
  push(db, "k", 1);
  push(db, "k", { reset: "x".repeat(1_500_000) }, "compact", 1);
  push(db, "k", 2);
  await poll("the last push", () => pushes(db, "k").length === 2);
  assert.match(of(db, "error")[0].message, /MAX_BODY/);
  assert.deepEqual((await get(room, "k")).map(e => e.value), [1, 2]);
  assert.ok(db.status.connected);
  assert.deepEqual(faults.splice(0), ["Unknown message type error"], "the client only logs it");
});
