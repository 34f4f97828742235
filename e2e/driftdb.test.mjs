// The published DriftDB client, unmodified, against the gateway: what rooms do over WebSockets.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Api, faults, fence, get, join, leaveAll, make, of, PresenceListener, push, pushes, Reducer, settled, StateListener,
} from "./driftdb-client.mjs";
import { Gateway, poll } from "./gateway.mjs";

let gateway, base, api;

before(async () => {
  gateway = new Gateway({ ROOM_CREATE: "open", ROOM_CREATE_RATE: "10000", ROOM_CREATE_RATE_ALL: "10000", ADMIN_KEY: "rooms-0123456789abcdef", LOG_LEVEL: "error" });
  base = await gateway.start();
  api = new Api(base);
});

afterEach(() => {
  leaveAll();
  assert.deepEqual(faults.splice(0), [], "messages that the client does not know");
});
after(() => gateway.remove());

const modes = [["JSON", false], ["CBOR", true]];
const range = n => Array.from({ length: n }, (_, i) => i);

test("newRoom makes rooms, getRoom finds them", async () => {
  const rooms = await Promise.all(range(5).map(() => api.newRoom()));
  const host = new URL(base).host;
  for (const room of rooms) {
    assert.match(room.room, /^[A-Za-z0-9]{20,}$/);
    assert.deepEqual(room, { room: room.room, socket_url: `ws://${host}/room/${room.room}/connect`, http_url: `http://${host}/room/${room.room}/send` });
    assert.deepEqual(await new Api(base + "/").getRoom(room.room), room);
  }
  assert.equal(new Set(rooms.map(r => r.room)).size, 5);
  assert.deepEqual(await api.getRoom("my-room"), await new Api(base).getRoom("my-room"), "any name is a room's");
  await assert.rejects(api.getRoom("undefined"), SyntaxError, "an error that is no JSON");
});

for (const [mode, cbor] of modes) test(`each action does what the table says: ${mode}`, async () => {
  const room = await api.newRoom();
  const [a, b] = await Promise.all([settled(room, cbor), settled(room, cbor)]);
  const p = (seq, key, value) => ({ type: "push", key, value, seq });
  const size = (key, size) => ({ type: "stream_size", key, size });
  // What a sends, what both hear, what only a hears after it, and what is retained.
  const steps = [
    [["k", "a"], p(1, "k", "a"), null, [[1, "a"]]],
    [["k", "b"], p(2, "k", "b"), size("k", 2), [[1, "a"], [2, "b"]]],
    [["l", "c"], p(3, "l", "c"), null, [[1, "a"], [2, "b"]]],
    [["k", "d", "relay"], p(4, "k", "d"), size("k", 2), [[1, "a"], [2, "b"]]],
    [["k", "e", "replace"], p(5, "k", "e"), null, [[5, "e"]]],
    [["k", "f", "relay"], p(6, "k", "f"), null, [[5, "e"]]],
    [["k", "g"], p(7, "k", "g"), size("k", 2), [[5, "e"], [7, "g"]]],
    [["k", "h"], p(8, "k", "h"), size("k", 3), [[5, "e"], [7, "g"], [8, "h"]]],
    [["k", "i", "compact", 6], null, size("k", 3), [[6, "i"], [7, "g"], [8, "h"]]],
    [["k", "j", "compact", 7], null, size("k", 2), [[7, "j"], [8, "h"]]],
    [["k", "k", "compact", 3], null, size("k", 3), [[3, "k"], [7, "j"], [8, "h"]]],
    [["k", "l", "compact", 8], null, null, [[8, "l"]]],
    [["m", "m", "relay"], p(9, "m", "m"), null, [[8, "l"]]],
    [["n", "n", "compact", 9], null, null, [[8, "l"]]],
    [["k", "o", "replace"], p(10, "k", "o"), null, [[10, "o"]]],
  ];
  for (const [sent, echo, extra, retained] of steps) {
    a.heard.length = b.heard.length = 0;
    push(a, ...sent);
    if (extra) await poll(() => `stream_size after ${sent}`, () => of(a).length >= 1 + !!echo);
    if (echo) await poll(() => `echo of ${sent}`, () => of(b).length >= 1 && of(a).length >= 1);
    const now = async () => JSON.stringify((await get(room, "k")).map(e => [e.seq, e.value])) === JSON.stringify(retained);
    await poll(() => `what is retained after ${sent}: ${JSON.stringify(retained)}`, now, 3000);
    assert.deepEqual(of(a), [echo, extra].filter(Boolean), sent.join());
    assert.deepEqual(of(b), [echo].filter(Boolean), sent.join());
  }
  a.heard.length = b.heard.length = 0;
  await fence(a, b);
  assert.deepEqual([of(a), of(b)], [[], []]);
  assert.equal(a.heard.find(m => m.key === "fence").seq, 11, "compact takes no number");

  const late = await join(room, cbor), got = [];
  late.subscribe("k", e => got.push(e));
  for (const key of ["m", "n", "nothing"]) late.subscribe(key, e => got.push({ key, ...e }));
  await poll("four inits", () => of(late, "init").length === 4);
  assert.deepEqual(of(late), [
    { type: "init", key: "k", data: [{ value: "o", seq: 10 }] }, { type: "init", key: "m", data: [] },
    { type: "init", key: "n", data: [{ value: "n", seq: 9 }] }, { type: "init", key: "nothing", data: [] },
  ]);
  assert.deepEqual(got, [{ seq: 10, value: "o" }, { key: "n", seq: 9, value: "n" }]);
});

test("every push goes once to everybody from the moment of connecting, asked for or not; a get has one init", async () => {
  const room = await api.newRoom();
  const all = await Promise.all(range(6).map(i => join(room, i % 2 === 1))); // none of them asks
  const twice = await join(room), seen = [];
  for (const _ of range(3)) twice.subscribe("a", e => seen.push(e.value));
  for (const n of range(20)) push(all[n % 6], "ab"[n % 2], n, ["append", "replace", "relay"][n % 3]);
  await poll("all pushes", () => [...all].every(db => pushes(db).length >= 20), 3000);
  await fence(...all, twice);
  for (const db of all) {
    assert.deepEqual(pushes(db).map(m => m.value).sort((x, y) => x - y), range(20));
    assert.deepEqual(new Set(pushes(db).map(m => m.seq)), new Set(range(20).map(n => n + 1)));
    for (const key of "ab") {
      const seqs = pushes(db, key).map(m => m.seq);
      assert.deepEqual(seqs, seqs.toSorted((x, y) => x - y));
    }
    assert.deepEqual(of(db, "init"), []);
  }
  const late = await settled(room);
  for (const n of range(4)) late.subscribe("b", () => {});
  await fence(late);
  assert.equal(of(late, "init").length, 4);
  assert.equal(of(twice, "init").length, 3);
  push(late, "b", "x");
  await fence(late, twice);
  assert.equal(pushes(late, "b").length, 1);
  assert.equal(pushes(twice, "b").filter(m => m.value === "x").length, 1);

  // Without a replay.
  const live = await settled(room);
  live.send({ type: "get", key: "b", seq: null });
  push(live, "b", "y");
  await fence(live);
  assert.deepEqual(of(live, "push", "init").map(m => m.value), ["y"]);
  live.send({ type: "get", key: "b" });
  await fence(live);
  assert.deepEqual(of(live, "init").map(m => m.data.at(-1).value), ["y"], "a missing seq is 0");
  const { data } = of(live, "init")[0];
  live.send({ type: "get", key: "b", seq: data.at(-2).seq });
  await fence(live);
  assert.deepEqual(of(live, "init")[1].data, data.slice(-1));
});

test("replay and live pushes meet without a gap, and nothing comes twice", { timeout: 20_000 }, async () => {
  const room = await api.newRoom(), writer = await settled(room);
  let n = 0;
  const timer = setInterval(() => { push(writer, "k", n++); push(writer, "other", n); }, 8);
  const readers = [];
  try {
    for (let round = 0; round < 14; round++) {
      const reader = await join(room, round % 2 === 1), got = [];
      if (round > 5) await sleep(Math.random() * 150);
      reader.subscribe("k", e => got.push(e.value));
      readers.push([round, reader, got]);
      await sleep(30);
    }
    await sleep(300);
  } finally {
    clearInterval(timer);
  }
  await fence(writer, ...readers.map(([, reader]) => reader));
  for (const [round, reader, got] of readers) {
    assert.deepEqual(got, range(n), `reader ${round}`);
    assert.equal(of(reader, "init").length, 1);
  }
});

test("an init comes before the pushes that follow it, amid many writers", { timeout: 20_000 }, async () => {
  const room = await api.newRoom(), writers = await Promise.all(range(4).map(() => settled(room)));
  let n = 0, read = 0;
  const timer = setInterval(() => { for (const w of writers) push(w, "k", n++); }, 14), wrong = [];
  try {
    for (const end = Date.now() + 2000; Date.now() < end;) {
      const began = Date.now(), readers = await Promise.all(range(4).map(i => join(room, i === 0)));
      const got = readers.map(reader => {
        const seqs = [];
        reader.subscribe("k", e => seqs.push(e.seq));
        return seqs;
      });
      await poll("the inits", () => readers.every(reader => of(reader, "init").length === 1));
      const late = Date.now() - began > 200; // pushes are held for a quarter of a second, which a busy machine can take to ask
      await sleep(40);
      for (const seqs of late ? [] : got) if (seqs.some((s, i) => s !== i + 1)) wrong.push(seqs.findIndex((s, i) => s !== i + 1));
      for (const reader of readers) reader.disconnect();
      read += 4;
    }
  } finally {
    clearInterval(timer);
  }
  assert.ok(wrong.length === 0, `${wrong.length} of ${read} readers have a wrong order`);
});

test("pushes of a key come in their order while pushes are held", async () => {
  const room = await api.newRoom(), writer = await settled(room);
  const [asks, live] = await Promise.all([join(room), join(room, true)]), got = [];
  for (const n of range(4)) push(writer, "k", n, n === 2 ? "relay" : "append");
  await fence(writer);
  asks.subscribe("k", e => got.push(e.value));
  live.send({ type: "get", key: "k", seq: null });
  for (const n of range(4)) push(writer, "k", 4 + n);
  await sleep(350);
  await fence(writer, asks, live);
  assert.deepEqual(pushes(live, "k").map(m => m.value), range(8), "a get without a replay");
  assert.deepEqual(got.filter(v => v !== 2), range(8).filter(v => v !== 2));
  assert.equal(got.filter(v => v === 2).length, 1, "the relay");
});

test("the echo comes before stream_size, also right after connecting, asked for or not", async () => {
  for (const [, cbor] of modes) for (const ask of [true, false]) {
    const room = await api.newRoom(), db = await join(room, cbor);
    if (ask) db.subscribe("k", () => {});
    for (const n of range(5)) push(db, "k", n);
    await poll("five echoes and their sizes", () => of(db, "stream_size").length === 4 && (ask || pushes(db).length === 5));
    const seen = new Set();
    let count = 0;
    for (const m of of(db)) {
      if (m.type === "init") for (const e of m.data) seen.add(e.seq);
      if (m.type === "push") seen.add(m.seq);
      if (m.type === "stream_size") assert.ok(seen.size >= m.size && m.size === ++count + 1, `asked ${ask}: ${JSON.stringify(of(db))}`);
    }
    assert.equal(seen.size, 5);
  }
});

test("a client comes back by itself, sends what it queued, and hears pushes though it does not ask again", { timeout: 20_000 }, () => Promise.all(modes.map(async ([, cbor]) => {
  const room = await api.newRoom(), other = await settled(room), db = make(), got = [], states = [];
  db.statusListener.addListener(s => states.push(s.connected));
  db.subscribe("k", e => got.push(e.value));
  for (const n of range(3)) push(db, "k", `queued ${n}`);
  db.send({ type: "ping" });
  await db.connect(room.socket_url, cbor);
  assert.equal(db.status.debugUrl, `https://ui.driftdb.com/?url=${encodeURIComponent(room.socket_url + (cbor ? "?cbor=true" : ""))}`);
  await poll("what was queued", () => got.length === 3);
  assert.ok(db.heard.some(m => m.type === "pong" && m.nonce === null));
  const want = ["queued 0", "queued 1", "queued 2"];
  for (const round of range(2)) {
    db.connection.terminate();
    await poll("the loss", () => !db.status.connected);
    for (const n of range(3)) push(db, "k", `offline ${round} ${n}`), want.push(`offline ${round} ${n}`);
    await poll("the return", () => db.status.connected, 5000);
    await fence(other, db);
    push(other, "k", `from another ${round}`);
    want.push(`from another ${round}`);
    await poll("the other's push", () => got.at(-1) === want.at(-1), 3000);
    assert.deepEqual(got, want);
  }
  assert.equal(db.connection.url, room.socket_url + (cbor ? "?cbor=true?cbor=true?cbor=true" : ""));
  assert.deepEqual(of(db, "init").length, 1);
  assert.deepEqual(states.filter((s, i) => s !== states[i - 1]), [true, false, true, false, true]);
})));

test("StateListener: all see the last state, the one who comes late too", async () => {
  const room = await api.newRoom();
  const peers = await Promise.all(range(3).map(async i => {
    const peer = { db: await join(room, i === 1), seen: [] };
    peer.state = new StateListener({ db: peer.db, key: "s", callback: v => peer.seen.push(v) });
    peer.state.subscribe();
    return peer;
  }));
  for (const n of range(60)) {
    peers[0].state.setStateOptimistic({ n, deep: [n, null] });
    await sleep(3);
  }
  await poll("the last state", () => peers.every(p => p.seen.at(-1)?.n === 59));
  await fence(...peers.map(p => p.db));
  for (const { seen } of peers) assert.deepEqual(seen.map(s => s.n), seen.map(s => s.n).toSorted((x, y) => x - y));
  assert.deepEqual(peers[1].seen.at(-1), { n: 59, deep: [59, null] });
  peers[2].state.setStateOptimistic("other");
  await poll("the other's state", () => peers.every(p => p.seen.at(-1) === "other"));
  const late = await join(room), seen = [];
  new StateListener({ db: late, key: "s", callback: v => seen.push(v) }).subscribe();
  await poll("the state", () => seen.length > 0);
  assert.deepEqual(seen, ["other"]);
  assert.equal((await get(room, "s")).length, 1);
});

test("PresenceListener: prompt, and not stored", async () => {
  const room = await api.newRoom();
  const peers = await Promise.all(range(3).map(async i => {
    const db = await join(room, i === 1);
    const p = new PresenceListener({ db, clientId: `c${i}`, initialState: { x: i }, callback: () => {}, maxPresenceInterval: 400 });
    p.subscribe();
    return p;
  }));
  const others = (i, x) => () => range(3).every(j => j === i || peers[j].presence[`c${i}`]?.value.x === x);
  try {
    for (const i of range(3)) await poll(`c${i} among the others`, others(i, i), 2500);
    const began = Date.now();
    for (const n of range(30)) {
      peers[0].updateState({ x: 100 + n });
      await sleep(5);
    }
    await poll("the last place", others(0, 129), 500);
    assert.ok(Date.now() - began < 900, "relays are prompt");
    peers[1].destroy();
    await poll("nobody where no word comes", () => !peers[0].presence.c1 && peers[0].presence.c2, 5000);
    assert.deepEqual(await get(room, "__presence"), []);
  } finally {
    for (const p of peers) p.destroy();
  }
});

test("Reducer: with compaction by many, all end in the same state", { timeout: 20_000 }, async () => {
  const room = await api.newRoom(), sum = (s, a) => ({ total: s.total + a.n, order: (s.order * 31 + a.n) % 1_000_003, list: [...s.list, a.n].slice(-5) });
  const start = { total: 0, order: 7, list: [] };
  const enter = async (i, sizeThreshold = 6) => {
    const db = await join(room, i % 2 === 1), peer = { db };
    peer.reducer = new Reducer({ db, key: "r", reducer: sum, initialValue: start, sizeThreshold, callback: s => peer.state = s });
    peer.reducer.subscribe();
    return peer;
  };
  const confirmed = peer => [peer.reducer.compactor.lastConfirmedSeq, peer.reducer.compactor.lastConfirmedState];
  const peers = await Promise.all(range(4).map(i => enter(i)));
  let total = 0;
  for (const round of range(60)) {
    for (const peer of peers) peer.reducer.dispatch({ n: ++total });
    if (round % 15 === 14) peers.push(await enter(round)); // amid all that
    if (round % 4 === 0) await sleep(5);
  }
  await fence(...peers.map(p => p.db));
  const want = total * (total + 1) / 2;
  const late = await enter(99);
  await poll("the late one", () => confirmed(late)[1].total === want);
  for (const peer of peers) assert.deepEqual(confirmed(peer), confirmed(late));
  peers[0].reducer.dispatch({ n: 0 });
  await poll("what is shown to the others", () => [...peers.slice(1), late].every(p => p.state?.total === want));
  for (const peer of peers.slice(1)) assert.deepEqual(peer.state, late.state);
  const { length } = await get(room, "r");
  assert.ok(length < 30, `${length} entries are left of ${total}`);
});

test("testLatency measures; it is null while offline", async () => {
  const room = await api.newRoom(), db = make();
  assert.equal(db.testLatency(), null);
  await db.connect(room.socket_url);
  for (const one of [db, await join(room, true)]) {
    const ms = await one.testLatency();
    assert.ok(ms > 0 && ms < 1000, `${ms} ms`);
  }
  db.send({ type: "ping", nonce: 2 ** 40 });
  await poll("nonce", () => db.heard.at(-1)?.nonce === 2 ** 40);
});
