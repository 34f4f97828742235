// The SDK with more channels than an address has room for; without what it publishes itself; and what it takes out of the log.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "../public/sdk/sluice.js";
import { Gateway, poll } from "./gateway.mjs";
import { Proxy, frame, init, key, says, script, settings, streams } from "./sdk-tools.mjs";

let gateway, base;

before(async () => {
  gateway = new Gateway({ ...settings, RETRY_CONNECT: "20ms", RETRY_EVENT: "20ms" });
  base = await gateway.start();
});
after(() => gateway.remove());

const opened = rt => new Promise(done => rt.on("connect", done));
const many = n => Array.from({ length: n }, (_, i) => `a-channel-with-a-longer-name-${i}`);

// watched notes the requests of a connection.
function watched(list) {
  return (url, o) => {
    list.push([o.method ?? "GET", String(url).replace(/^http:\/\/[^/]+/, "").replace(/@\w+|%40\w+/, "@NAME")]);
    return fetch(url, o);
  };
}

test("a long list of channels is sent ahead, and the stream loses nothing through cuts", { timeout: 30_000 }, async t => {
  const proxy = new Proxy(base), asked = [];
  await proxy.start();
  const rt = connect(proxy.url, { apikey: key, channels: [...many(500), "PUT:customer", "@odd"], fetch: watched(asked) }), got = [];
  t.after(() => (rt.close(), proxy.stop()));
  rt.on("*", e => got.push(e.data));
  await opened(rt);
  const want = [];
  for (let i = 0; i < 6; i++) {
    const one = connect(base, { apikey: key });
    for (const [name, fields] of [["a-channel-with-a-longer-name-499"], ["other"], ["put", { collection: "customer" }], ["@odd"]]) {
      await one.publish(name, name + i, fields);
      if (name !== "other") want.push(name + i);
    }
    one.close();
    if (i % 2) continue;
    await poll("open", () => rt.state === "open");
    proxy.cut();
    await poll("the cut", () => rt.state !== "open");
  }
  await poll("all", () => got.length >= want.length);
  assert.deepEqual(got, want);
  for (let i = 0; i < asked.length; i++) assert.deepEqual(asked[i], i % 2 ? ["GET", "/realtime?channels=@NAME" + (i > 1 ? "&from=now" : "")] : ["POST", "/realtime/subscriptions"]);
  assert.ok(asked.length >= 8, `${asked.length} requests`);

  const past = [];
  for await (const e of rt.stream(null, { from: "earliest", until: "caught-up", channels: [...many(200), "other"] })) past.push(e.data);
  assert.equal(past.filter(d => d.startsWith("other")).length, 6);
});

test("a short list stays in the address", { timeout: 10_000 }, async t => {
  const asked = [];
  const short = n => Array.from({ length: n }, (_, i) => "c" + i);
  for (const [channels, posts] of [[["a"], 0], [short(100), 0], [short(101), 1], [many(50), 0], [many(70), 1], [["@a"], 1], [["b", "@a"], 1], [["b@a"], 0]]) {
    const rt = connect(base, { apikey: key, channels, fetch: watched(asked) });
    t.after(() => rt.close());
    await opened(rt);
    assert.equal(asked.splice(0).filter(([method]) => method === "POST").length, posts, channels[0]);
    rt.close();
  }
});

test("a list that the gateway refuses ends the connection; trouble does not", { timeout: 20_000 }, async t => {
  const refused = connect(base, { apikey: key, channels: [...many(200), "put"] });
  t.after(() => refused.close());
  assert.equal((await new Promise(done => refused.on("error", done))).code, "bad_parameter");

  const name = answer => says(201, { name: "x", expires: "" })(answer);
  const { seen, url } = await script(t,
    says(503, { code: "unavailable", message: "later" }, { "retry-after": "0" }), says(200, {}), name,
    says(404, { code: "not_a_code_of_ours" }), name, streams(init(1) + frame(2, "x"), false));
  const rt = connect(url, { channels: many(200) }), got = [];
  t.after(() => rt.close());
  rt.on("a", e => got.push(e.data));
  await poll("the event", () => got.length, 15_000);
  assert.deepEqual(seen.map(r => r.method).join(" "), "POST POST POST GET POST GET");
  assert.deepEqual(JSON.parse(seen[0].body), { channels: many(200) });
  assert.equal(seen[0].headers["content-type"], "application/json");
});

test("echo: false leaves out the connection, also after a reconnect, and nobody else", { timeout: 20_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  const own = connect(proxy.url, { apikey: key, channels: ["echo"], echo: false }), other = connect(base, { apikey: key, channels: ["echo"] });
  t.after(() => (own.close(), other.close(), proxy.stop()));
  const mine = [], theirs = [];
  own.on("echo", e => mine.push(e.data));
  other.on("echo", e => theirs.push(e.data));
  await poll("open", () => own.state === "open" && other.state === "open");
  await own.publish("echo", 1);
  await other.publish("echo", 2);
  await poll("2", () => mine.length);
  proxy.cut();
  await poll("the cut", () => own.state !== "open");
  await poll("open again", () => own.state === "open");
  const id = await own.publish("echo", 3);
  await other.publish("echo", 4);
  await poll("4", () => mine.length > 1 && theirs.length > 3);
  assert.deepEqual([mine, theirs], [[2, 4], [1, 2, 3, 4]]);
  assert.ok(+own.lastEventId > +id);
});

test("retract repeats through trouble with one key, and its event is one like others", { timeout: 20_000 }, async t => {
  const retract = 'id: 9\nevent: retract\ndata: {"event":"retract","data":{"id":"2","channel":"a"}}\n\n';
  const { seen, url } = await script(t, streams(init(1) + frame(2, "x") + retract, false), says(503, { code: "draining", message: "later" }), says(200, { message: "OK", id: "9" }), says(404, { code: "not_found", message: "gone" }));
  const rt = connect(url, { apikey: key }), gone = [];
  t.after(() => rt.close());
  rt.on("retract", e => gone.push([e.id, e.data.id]));
  await poll("the event", () => gone.length);
  assert.deepEqual(gone, [["9", "2"]]);
  assert.equal(await rt.retract("2"), "9");
  await assert.rejects(rt.retract("2"), { code: "not_found", status: 404 });
  const [first, second] = seen.slice(1);
  assert.deepEqual([first.method, first.url, first.body, second.url], ["DELETE", "/realtime?id=2", "", "/realtime?id=2"]);
  assert.ok(first.headers["idempotency-key"] && first.headers["idempotency-key"] === second.headers["idempotency-key"]);
});

test("echo: false names the connection of now, and none for a database", { timeout: 10_000 }, async t => {
  const named = 'id: 1\ndata: {"channel":"init","data":{},"connection":"abc"}\n\n';
  const { seen, url } = await script(t, says(200, { id: "2" }), streams(named, false), says(200, { id: "2" }));
  const rt = connect(url, { apikey: key, echo: false });
  t.after(() => rt.close());
  await rt.publish("a", 1);
  await opened(rt);
  await poll("the connection", () => rt.lastEventId === "1");
  await rt.publish("a", 2);
  await rt.publish("a", 3, { space: "$db/x" });
  const bodies = seen.filter(r => r.method === "POST").map(r => JSON.parse(r.body));
  assert.deepEqual(bodies, [{ event: "a", data: 1 }, { event: "a", except: "abc", data: 2 }, { event: "a", space: "$db/x", data: 3 }]);
});
