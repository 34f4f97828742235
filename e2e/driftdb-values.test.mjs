// Values and frames of the published DriftDB client, in JSON and in CBOR.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";
import { Api, faults, fence, get, HttpConnection, join, leaveAll, of, push, pushes, settled, socket } from "./driftdb-client.mjs";
import { Gateway, poll } from "./gateway.mjs";

const CBOR = createRequire(createRequire(import.meta.url).resolve("driftdb"))("cbor-web");
let gateway, api;

before(async () => {
  gateway = new Gateway({ ROOM_CREATE: "open", ROOM_CREATE_RATE: "10000", ROOM_CREATE_RATE_ALL: "10000", ADMIN_KEY: "rooms-0123456789abcdef", LOG_LEVEL: "error" });
  api = new Api(await gateway.start());
});

afterEach(() => {
  leaveAll();
  faults.length = 0;
});
after(() => gateway.remove());

const range = n => Array.from({ length: n }, (_, i) => i);
const when = new Date("2023-04-05T06:07:08.250Z");

// Values of a CBOR client: what its like gets (the same unless said), and what a JSON client gets.
const binary = {
  "Uint8Array": [new Uint8Array([1, 2, 255]), [1, 2, 255]],
  "Uint16Array": [new Uint16Array([1, 65535]), [1, 65535]],
  "Uint32Array": [new Uint32Array([1, 4294967295]), [1, 4294967295]],
  "Int8Array": [new Int8Array([-1, 127, -128]), [-1, 127, -128]],
  "Int16Array": [new Int16Array([-1, 300]), [-1, 300]],
  "Int32Array": [new Int32Array([-1, 70000]), [-1, 70000]],
  "Float32Array": [new Float32Array([1.5, -0.25]), [1.5, -0.25]],
  "Float64Array": [new Float64Array([0.1, 1e300]), [0.1, 1e300]],
  "BigInt64Array": [new BigInt64Array([-5n, 2n ** 40n]), [-5, 2 ** 40]],
  "Uint8ClampedArray": [new Uint8ClampedArray([0, 255]), [0, 255]],
  "empty array": [new Float32Array([]), []],
  "ArrayBuffer": [new Uint8Array([9, 8]).buffer, [9, 8]],
  "date": [when],
  "bigint": [12345678901234567890n, 12345678901234567890],
  "large bigint": [2n ** 70n, 2 ** 70],
  "negative bigint": [-(2n ** 70n), -(2 ** 70)],
  "undefined": [undefined, null],
  "null": [null, null],
  "undefined inside": [{ a: undefined, b: [undefined] }, { a: null, b: [null] }],
  "Map": [new Map([[1, "one"], ["two", 2]]), { 1: "one", two: 2 }],
  "whole": [7, 7], "negative": [-7, -7], "half": [1.5, 1.5], "single": [16777216.5, 16777216.5], "double": [0.1, 0.1], "small": [5e-324, 5e-324],
  "large": [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], "text": ["ä\u0000 😀\u2028", "ä\u0000 😀\u2028"], "empty": ["", ""], "yes": [true, true],
  "NaN": [NaN, null], "infinite": [-Infinity, null],
  "nested": [{ list: [new Uint8Array([1]), { at: [1.25, { b: 2n ** 65n }] }], "": {}, empty: [[], {}] }, { list: [[1], { at: [1.25, { b: 2 ** 65 }] }], "": {}, empty: [[], {}] }],
};

test("CBOR and JSON clients in one room: values are kept, and JSON readers see what JSON can say", async () => {
  const room = await api.newRoom();
  const [writer, like, text] = await Promise.all([settled(room, true), settled(room, true), settled(room)]);
  for (const [key, [value]] of Object.entries(binary)) push(writer, key, value);
  await fence(writer, like, text);
  const late = await join(room, true), lateText = await join(room);
  for (const key of Object.keys(binary)) for (const db of [late, lateText]) db.subscribe(key, () => {});
  await fence(late, lateText);
  const one = (db, key) => of(db, "push").find(m => m.key === key)?.value;
  const init = (db, key) => of(db, "init").find(m => m.key === key).data[0].value;
  for (const [key, [value, plain]] of Object.entries(binary)) {
    const want = CBOR.decode(CBOR.encode({ value })).value; // what the library makes of its own
    for (const got of [one(writer, key), one(like, key), init(late, key)]) assert.deepEqual(got, want, key);
    if (key === "date") continue;
    for (const got of [one(text, key), init(lateText, key), (await get(room, key))[0].value]) assert.deepEqual(got, plain, key);
  }
  assert.ok(one(like, "Uint8Array") instanceof Uint8Array && one(like, "Float32Array") instanceof Float32Array);
  assert.equal(+one(like, "date"), +when);
  assert.equal(+new Date(one(text, "date")), +when, "as JSON.stringify has it");
});

test("dates of any year, and Maps with keys of any type, are kept", async () => {
  const room = await api.newRoom(), [writer, like, text] = await Promise.all([settled(room, true), settled(room, true), settled(room)]);
  const values = {
    "far": new Date(8.64e15), "before": new Date(-8.64e15), "1969": new Date(-1500), "inside": { at: [new Date(253402300800000)] },
    "numbers": new Map([[1, 2], [-1, 3], [1.5, 4]]), "simple": new Map([[true, 1], [null, 2], [undefined, 3]]), "list": new Map([[[1, 2], "x"]]), "object": new Map([[{ a: 1 }, "x"]]),
    "bytes": new Map([[new Uint8Array([1, 2]), "x"]]), "plain bytes": new Map([[new Uint8Array([1]).buffer, "x"]]), "day": new Map([[when, "x"]]), "big": new Map([[2n ** 70n, "x"]]), "empty": new Map(),
  };
  for (const [key, value] of Object.entries(values)) push(writer, key, value);
  await fence(writer, like, text);
  assert.deepEqual(of(writer, "error").map(m => m.message), []);
  for (const [key, value] of Object.entries(values)) {
    assert.deepEqual(pushes(like, key)[0]?.value, CBOR.decode(CBOR.encode({ value })).value, key);
    assert.equal(pushes(text, key).length, 1, key);
  }
});

test("a CBOR value is the same bytes on its way back, floats whole or not", async () => {
  const room = await api.newRoom(), [a, b] = [await socket(room.socket_url + "?cbor=true"), await socket(room.socket_url + "?cbor=1?cbor=true")];
  const values = [
    "f93e00", "fa47c35000", "fb3ff199999999999a", "f97e00", "f7", "d84043010203", "c11a514b67b0", "c249010000000000000000", "a201020304", "1bffffffffffffffff",
    "3bffffffffffffffff", "f90000", "fb4000000000000000", "81d82a01", "5f4101420203ff", "9f0102ff", "bf6161f5ff", "7f616161626163ff", "1800", "f0", "d9d9f701", "d9d9f7d9d9f7a16161d9d9f7f6",
  ];
  for (const [n, hex] of values.entries()) {
    const head = CBOR.encode({ type: "push", key: `v${n}`, action: { type: "append" }, value: 0 });
    a.send(Buffer.concat([head.subarray(0, head.length - 1), Buffer.from(hex, "hex")]));
  }
  await poll("all values", () => b.frames.length === values.length, 3000);
  for (const [n, hex] of values.entries()) assert.ok(b.frames.some(f => f.toString("hex").includes(Buffer.from(`v${n}`).toString("hex") + "6576616c7565" + hex)), `${hex} in ${b.frames[n]?.toString("hex")}`);
});

test("JSON values reach CBOR readers: whole numbers whole, floats floats", async () => {
  const room = await api.newRoom(), [text, bin] = await Promise.all([settled(room), settled(room, true)]);
  const values = [0, -1, 23, 24, 65536, 2 ** 32, -(2 ** 40), 1.5, -0.001, 1e21, 1e300, "", "x\"\\\u0001ä😀\u2028", true, false, null, [], {}, [1, [2, { a: [] }]], { "": { "k\n": null }, b: 1.25 }];
  for (const value of values) push(text, "k", value);
  await fence(text, bin);
  for (const db of [text, bin]) assert.deepEqual(pushes(db, "k").map(m => m.value), values);
  const late = await join(room, true);
  late.subscribe("k", () => {});
  await poll("init", () => of(late, "init").length === 1);
  assert.deepEqual(of(late, "init")[0].data.map(e => e.value), values);
  const ws = await socket(room.socket_url);
  ws.send('{"type":"push","key":"raw","value":{"b":1,"a":12345678901234567890,"c":1.0,"d":1.50},"action":{"type":"append"}}');
  await poll("the raw one", () => pushes(bin, "raw").length === 1);
  assert.deepEqual(pushes(bin, "raw")[0].value, { b: 1, a: 12345678901234567890n, c: 1, d: 1.5 });
});

test("any text is a key", async () => {
  const room = await api.newRoom(), keys = ["", " ", "a/b", "ä 日本 😀", "\n\r\u0000\u2028", "__proto__", "constructor", "$x", "%2F", "\"\\", "*", "x".repeat(1000), "a:b,c", "null"];
  const [text, bin] = await Promise.all([settled(room), settled(room, true)]);
  const got = [];
  for (const [n, key] of keys.entries()) {
    (n % 2 ? text : bin).subscribe(key, e => got.push([key, e.value]));
  }
  await fence(text, bin);
  for (const [n, key] of keys.entries()) push(n % 2 ? bin : text, key, n);
  await fence(text, bin);
  assert.deepEqual(got.toSorted((x, y) => x[1] - y[1]), keys.map((key, n) => [key, n]));
  for (const db of [text, bin]) assert.deepEqual(new Set(of(db, "push", "init").map(m => m.key)), new Set(keys));
  for (const [n, key] of keys.entries()) assert.deepEqual((await get(room, key)).map(e => e.value), [n]);
});

test("messages of 100 kB and more", async () => {
  const room = await api.newRoom(), [text, bin] = await Promise.all([settled(room), settled(room, true)]);
  const long = "ä".repeat(150_000), bytes = new Uint8Array(120_000).map((_, i) => i), list = range(30_000);
  push(text, "long", long);
  push(bin, "bytes", new Uint8Array(9)); // the library's own encoder cuts longer messages short, at 16 kB
  bin.connection.send(CBOR.encodeOne({ type: "push", action: { type: "replace" }, value: bytes, key: "bytes" }, { highWaterMark: 1 << 20 }));
  push(text, "list", list);
  await fence(text, bin);
  assert.deepEqual([...of(text, "error"), ...of(bin, "error")], []);
  for (const db of [text, bin]) {
    assert.ok(pushes(db, "long")[0].value === long);
    assert.deepEqual(pushes(db, "list")[0].value, list);
  }
  assert.deepEqual(pushes(bin, "bytes")[1].value, bytes);
  assert.deepEqual(pushes(text, "bytes")[1].value, [...bytes]);
  const late = await join(room, true);
  for (const key of ["long", "bytes"]) late.subscribe(key, () => {});
  await poll("both", () => of(late, "init").length === 2);
  assert.deepEqual(of(late, "init").map(m => m.data[0].value), [long, bytes]);
});

test("frames that are no messages are answered by an error, and the connection stays", async () => {
  const room = await api.newRoom();
  const bad = [
    "", "{", "[]", "null", "1", "hello", "{}", '{"type":"nonsense"}', '{"type":5}', '{"type":"get"}', '{"type":"get","key":5}', '{"type":"get","key":"k","seq":-1}',
    '{"type":"get","key":"k","seq":"x"}', '{"type":"push","key":"k"}', '{"type":"push","key":"k","value":1}', '{"type":"push","key":"k","action":{"type":"append"}}',
    '{"type":"push","key":"k","value":1,"action":{"type":"delete"}}', '{"type":"push","key":"k","value":1,"action":{"type":"compact"}}',
    '{"type":"push","key":"k","value":1,"action":{"type":"compact","seq":-1}}', '{"type":"push","key":"k","value":1,"action":"append"}',
    '{"type":"push","value":1,"action":{"type":"append"}}', '{"type":"ping"} {"type":"ping"}', '{"type":"ping","nonce":-1}', "[".repeat(20_000),
    Buffer.from([0xff]), Buffer.from([]), Buffer.from("a161", "hex"), CBOR.encode([1]), CBOR.encode({ type: "push" }), CBOR.encode("x"),
    Buffer.concat([CBOR.encode({ type: "ping" }), Buffer.from([0])]), Buffer.from("81".repeat(5000) + "00", "hex"), Buffer.from("9bffffffffffffffff", "hex"), Buffer.from("bb7fffffffffffffff", "hex"),
  ];
  for (const cbor of [false, true]) {
    const ws = await socket(room.socket_url + (cbor ? "?cbor=true" : ""));
    const read = f => cbor ? CBOR.decode(f) : f;
    for (const [n, frame] of bad.entries()) {
      ws.send(frame);
      await poll(() => `an answer to ${frame.toString().slice(0, 60)}`, () => ws.frames.length === n + 1 || ws.ended, 2000);
      assert.ok(!ws.ended, `closed with ${ws.ended} by ${frame}`);
      const { type, message } = read(ws.frames[n]);
      assert.ok(type === "error" && message.length > 5, `${frame.toString().slice(0, 60)}: ${JSON.stringify(read(ws.frames[n]))}`);
    }
    ws.frames.length = 0;
    // Both kinds of frames are taken on any connection.
    ws.send('{"type":"ping","nonce":1,"more":[]}');
    ws.send(CBOR.encode({ type: "ping", nonce: 2 }));
    await poll("pongs", () => ws.frames.length === 2);
    assert.deepEqual(ws.frames.map(read), [{ type: "pong", nonce: 1 }, { type: "pong", nonce: 2 }]);
  }
  assert.deepEqual(await get(room, "k"), []);
});
