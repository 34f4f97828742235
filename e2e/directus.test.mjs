// The published Directus SDK, unmodified, in two versions, against the gateway: items, sessions, sockets.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as sdk18 from "directus-sdk-18";
import * as sdk26 from "directus-sdk-26";
import WebSocket from "ws";
import { Gateway, poll } from "./gateway.mjs";

const admin = "directus-0123456789abcdef";
const token = "directus-key-0123456789";
const user = { email: "ann@example.com", password: "s3cret-s3cret" };
const keys = JSON.stringify([{ name: "all", key: token, rest: ["*"], sub: ["*"] }, { name: "reader", key: "reader-0123456789", rest: ["GET:messages"], sub: ["POST:messages"] }]);
const gateways = {};
const open = [];

// A page has one message a task; so has this class, as the SDK's loop needs it.
class PageWebSocket extends WebSocket {
  constructor(url) {
    super(url, { allowSynchronousEvents: false });
  }
}

async function start(mode, env) {
  const g = gateways[mode] = new Gateway({ ADMIN_KEY: admin, API_KEYS: keys, LOG_LEVEL: "error", WEBSOCKET_HEARTBEAT: "1s", WEBSOCKET_AUTH: mode, DATA_DIR: "data", ...env });
  await g.start();
  const r = await fetch(g.url + "/admin/users", {
    method: "POST", headers: { "x-apikey": admin, "content-type": "application/json" },
    body: JSON.stringify({ ...user, rest: ["*"], sub: ["*"] }),
  });
  assert.equal(r.status, 201, await r.text());
}

before(() => Promise.all(["handshake", "public", "strict"].map(mode => start(mode))));
afterEach(() => {
  for (const c of open.splice(0)) c.disconnect();
});
after(() => Promise.all(Object.values(gateways).map(g => g.remove())));

for (const [version, sdk] of [["18.0.3", sdk18], ["26.0.0", sdk26]]) {
  const {
    aggregate, authentication, createDirectus, createItem, createItems, deleteItem, deleteItems, readItem, readItems, realtime, rest, staticToken, updateItem,
    updateItems, updateItemsBatch, withSearch,
  } = sdk;
  const url = (mode = "handshake") => gateways[mode].url;
  const byToken = (mode, key = token) => createDirectus(url(mode), { globals: { WebSocket: PageWebSocket } }).with(staticToken(key)).with(rest());
  const withSockets = (mode, options) => {
    const c = byToken(mode).with(realtime({ authMode: mode, reconnect: { delay: 100, retries: 50 }, ...options }));
    open.push(c);
    return c;
  };
  const refused = (promise, code) => assert.rejects(promise, e => {
    assert.equal(e.errors?.[0]?.extensions?.code, code, JSON.stringify(e));
    return true;
  });
  const login = (c, email, password) => version < "19" ? c.login(email, password) : c.login({ email, password });
  let count = 0;
  const collection = () => `m${version.slice(0, 2)}_${++count}`;

  // collect keeps what a subscription is told.
  function collect(subscription) {
    const got = [];
    const done = (async () => {
      for await (const m of subscription) got.push(m);
    })();
    done.catch(e => got.push(e));
    return got;
  }
  const came = (got, n) => poll(() => `${n} messages, of which there are ${JSON.stringify(got)}`, () => got.length >= n && got);

  test(`${version}: every call of items`, async () => {
    const c = byToken(), name = collection();
    const made = await c.request(createItem(name, { text: "hi", user: "Ben" }));
    assert.match(made.id, /^[0-9a-f]{24}$/);
    assert.ok(Date.now() - Date.parse(made.date_created) < 60_000);
    assert.deepEqual(made, { id: made.id, text: "hi", user: "Ben", date_created: made.date_created });
    assert.deepEqual(await c.request(createItems(name, [{ id: "a", n: 1 }, { id: "b", n: 2 }], { fields: ["id", "n"] })), [{ id: "a", n: 1 }, { id: "b", n: 2 }]);
    await refused(c.request(createItem(name, { id: "a" })), "RECORD_NOT_UNIQUE");

    assert.deepEqual(await c.request(readItem(name, "a", { fields: ["n"] })), { n: 1 });
    await refused(c.request(readItem(name, "none")), "FORBIDDEN");
    const query = { filter: { n: { _in: [1, 2] } }, sort: ["-n"], fields: ["id"], limit: 1, page: 2 };
    assert.deepEqual(await c.request(readItems(name, query)), [{ id: "a" }]);
    assert.deepEqual(await c.request(withSearch(readItems(name, query))), [{ id: "a" }]);
    assert.deepEqual(await c.request(readItems(name, { filter: { _or: [{ n: { _gt: 1 } }, { user: { _starts_with: "B" } }] }, fields: ["id"], sort: ["-date_created"] })), [{ id: "b" }, { id: made.id }]);
    await refused(c.request(readItems(name, { filter: { n: { _is: 1 } } })), "INVALID_QUERY");

    assert.deepEqual(await c.request(updateItem(name, "a", { n: 10 }, { fields: ["id", "n"] })), { id: "a", n: 10 });
    assert.deepEqual(await c.request(updateItems(name, ["a", "b"], { k: 1 }, { fields: ["id", "k"] })), [{ id: "a", k: 1 }, { id: "b", k: 1 }]);
    assert.deepEqual(await c.request(updateItems(name, { filter: { n: { _eq: 10 } } }, { k: 2 }, { fields: ["id", "k"] })), [{ id: "a", k: 2 }]);
    if (updateItemsBatch) {
      assert.deepEqual(await c.request(updateItemsBatch(name, [{ id: "a", k: 3 }, { id: "b", k: 4 }], { fields: ["k"] })), [{ k: 3 }, { k: 4 }]);
    }
    await c.request(deleteItem(name, "a"));
    await refused(c.request(deleteItem(name, "a")), "FORBIDDEN");
    await c.request(deleteItems(name, ["b"]));
    await c.request(deleteItems(name, { filter: { user: { _eq: "Ben" } } }));
    assert.deepEqual(await c.request(readItems(name)), []);
    await refused(byToken("handshake", "nope").request(readItems(name)), "INVALID_CREDENTIALS");
    await refused(byToken("handshake", "reader-0123456789").request(createItem("messages", {})), "FORBIDDEN");
  });

  test(`${version}: moments, lists, large numbers and figures`, async () => {
    const c = byToken(), name = collection();
    await c.request(createItems(name, [
      { id: "1", at: "2026-11-29T10:00:00Z", tags: ["x", "y"], n: 2, who: "Ann" }, { id: "2", at: "2026-11-29T12:00:00.000Z", tags: ["y"], n: 3, who: "ann" },
      { id: "3", at: "2026-11-29T21:30:00+09:00", tags: [], n: 3, who: "Bob" },
    ]));
    const ids = async filter => (await c.request(readItems(name, { filter, fields: ["id"], sort: ["at"] }))).map(i => i.id).join("");
    for (const [filter, want] of [
      [{ at: { _lt: "2026-11-29T20:00:00+09:00" } }, "1"], [{ at: { _gte: Date.UTC(2026, 10, 29, 12) } }, "23"], [{ date_created: { _lt: "2020-01-01T00:00:00+09:00" } }, ""],
      [{ date_created: { _gt: "$NOW(-1 hour)" } }, "123"], [{ tags: { _contains: "x" } }, "1"], [{ tags: { _in: ["x"] } }, "1"], [{ tags: { _ncontains: "x" } }, "23"],
      [{ tags: { _nin: ["x"] } }, "23"], [{ who: { _ieq: "ANN" } }, "12"], [{ who: { _nieq: "ANN" } }, "3"], [{ _or: [] }, "123"], [{ n: { _in: 2 } }, "1"],
    ]) assert.equal(await ids(filter), want, JSON.stringify(filter));
    const large = collection();
    await fetch(`${url()}/items/${large}`, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: '{"b":9007199254740993}' });
    assert.deepEqual(await c.request(readItems(large, { filter: { b: { _eq: 9007199254740992 } } })), []);
    await refused(c.request(deleteItems(name, { filter: { _or: [] } })), "INVALID_QUERY");
    assert.equal((await c.request(readItems(name, { page: 0 }))).length, 3);

    assert.deepEqual(await c.request(aggregate(name, { aggregate: { count: "*" } })), [{ count: 3 }]);
    assert.deepEqual(await c.request(aggregate(name, { aggregate: { sum: ["n"], countDistinct: "n" }, groupBy: ["n"], query: { filter: { n: { _gt: 1 } }, sort: ["-sum.n"], limit: 1 } })), [{ n: 3, countDistinct: { n: 1 }, sum: { n: 6 } }]);
    assert.deepEqual(await c.request(aggregate(name, { aggregate: { min: "at", max: "at", avg: "n" } })), [{ avg: { n: 8 / 3 }, max: { at: "2026-11-29T21:30:00+09:00" }, min: { at: "2026-11-29T10:00:00Z" } }]);
  });

  test(`${version}: who one is, and whether the server is there`, async () => {
    assert.equal(await byToken().request(sdk.serverPing()), "pong");
    assert.deepEqual(await byToken().request(sdk.readMe()), { id: "all", first_name: "all" });
    const c = createDirectus(url()).with(authentication("json")).with(rest());
    await refused(c.request(sdk.readMe()), "INVALID_CREDENTIALS");
    await refused(login(c, "", user.password), "INVALID_PAYLOAD");
    await refused(c.request(sdk.readUsers()), "ROUTE_NOT_FOUND");
    await login(c, user.email, user.password);
    assert.equal((await c.request(sdk.readMe({ fields: ["email"] }))).email, user.email);
    await c.logout(); // its timer would keep the process
  });

  test(`${version}: a list of updates over the socket`, async () => {
    const c = withSockets("handshake"), name = collection();
    const answers = [];
    await c.connect();
    c.onWebSocket("message", m => answers.push(m));
    await c.request(createItems(name, [{ id: "a" }, { id: "b" }]));
    c.sendMessage({ type: "items", collection: name, action: "update", data: [{ id: "a", n: 1 }, { id: "b", n: 2 }], query: { fields: ["id", "n"] }, uid: "u" });
    await came(answers, 1);
    c.sendMessage({ type: "items", collection: name, action: "read", query: { aggregate: { sum: "n" } }, uid: "s" });
    await came(answers, 2);
    assert.deepEqual(answers, [{ type: "items", data: [{ id: "a", n: 1 }, { id: "b", n: 2 }], uid: "u" }, { type: "items", data: [{ sum: { n: 3 } }], uid: "s" }]);
  });

  test(`${version}: login, refresh, logout`, async () => {
    const c = createDirectus(url()).with(authentication("json")).with(rest());
    await refused(login(c, user.email, "wrong"), "INVALID_CREDENTIALS");
    const first = await login(c, user.email, user.password);
    assert.equal(first.expires, 900_000);
    const name = collection();
    assert.equal((await c.request(createItem(name, { n: 1 }))).n, 1);
    const second = await c.refresh();
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal((await c.request(readItems(name))).length, 1);
    await c.logout();
    await refused(c.request(readItems(name)), "FORBIDDEN");
    await refused(createDirectus(url()).with(rest()).request(sdk.refresh(version < "19" ? "json" : { mode: "json", refresh_token: second.refresh_token }, ...version < "19" ? [second.refresh_token] : [])), "INVALID_CREDENTIALS");
    const cookies = createDirectus(url()).with(authentication("cookie")).with(rest());
    await refused(login(cookies, user.email, user.password), "INVALID_PAYLOAD");
  });

  for (const mode of ["handshake", "strict"]) test(`${version}: sockets, ${mode}`, async () => {
    const c = withSockets(mode), name = collection();
    await c.connect();
    const { subscription, unsubscribe } = await c.subscribe(name, { query: { fields: ["id", "text"], filter: { user: { _eq: "Ben" } } } });
    const got = collect(subscription);
    await came(got, 1);
    const other = byToken(mode);
    await other.request(createItems(name, [{ id: "1", text: "hi", user: "Ben" }, { id: "2", text: "no", user: "Ann" }]));
    await other.request(updateItems(name, ["1", "2"], { text: "ho" }));
    await other.request(deleteItems(name, ["1", "2"]));
    await came(got, 4);
    const uid = got[0].uid;
    assert.deepEqual(got, [
      { type: "subscription", event: "init", data: [], uid },
      { type: "subscription", event: "create", data: [{ id: "1", text: "hi" }], uid },
      { type: "subscription", event: "update", data: [{ id: "1", text: "ho" }], uid },
      { type: "subscription", event: "delete", data: ["1", "2"], uid },
    ]);
    unsubscribe();
    await other.request(createItem(name, { user: "Ben" }));
    await sleep(100);
    assert.deepEqual(got.slice(4).map(m => m.event), ["unsubscribe"].slice(0, got.length - 4), "nothing but its end");
  });

  test(`${version}: a public socket is somebody's once it says so`, async () => {
    const c = withSockets("public"), name = collection();
    const answers = [];
    await c.connect();
    c.onWebSocket("message", m => answers.push(m));
    c.sendMessage({ type: "items", collection: name, action: "read", uid: "before" });
    await came(answers, 1);
    assert.equal(answers[0].error.code, "INVALID_COLLECTION");
    c.sendMessage({ type: "auth", access_token: token, uid: "auth" });
    await came(answers, 2);
    assert.deepEqual(answers[1], { type: "auth", status: "ok", uid: "auth" });
    const { subscription } = await c.subscribe(name, { event: "create", uid: "mine" });
    const got = collect(subscription);
    await came(got, 1);
    c.sendMessage({ type: "items", collection: name, action: "create", data: { id: "1" }, uid: "c" });
    await came(got, 2);
    assert.deepEqual(got.map(m => [m.event, m.uid, m.data?.[0].id]), [["init", "mine", undefined], ["create", "mine", "1"]]);
    await poll("the answer", () => answers.find(m => m.uid === "c"));
  });

  test(`${version}: a session opens a socket`, async () => {
    // A session that renews itself would keep this process for a quarter of an hour.
    const c = createDirectus(url(), { globals: { WebSocket: PageWebSocket } }).with(authentication("json", { autoRefresh: false })).with(realtime());
    open.push(c);
    await login(c, user.email, user.password);
    await c.connect();
    const name = collection();
    const got = collect((await c.subscribe(name)).subscription);
    await came(got, 1);
    c.sendMessage({ type: "items", collection: name, action: "create", data: { n: 1 } });
    await came(got, 2);
    assert.equal(got[1].data[0].n, 1);
    // The other two forms, as messages.
    const answers = [];
    c.onWebSocket("message", m => m.type === "auth" && answers.push(m));
    c.sendMessage({ type: "auth", ...user, uid: "p" });
    await came(answers, 1);
    c.sendMessage({ type: "auth", refresh_token: answers[0].refresh_token, uid: "r" });
    await came(answers, 2);
    assert.ok(answers[1].status === "ok" && answers[1].refresh_token !== answers[0].refresh_token && answers[1].uid === "r");
  });

  test(`${version}: two iterators, errors, and items over the socket`, async () => {
    const c = withSockets("handshake"), name = collection();
    await c.connect();
    const all = collect((await c.subscribe(name)).subscription);
    await came(all, 1);
    const created = collect((await c.subscribe(name, { event: "create", query: { fields: ["n"] } })).subscription);
    await came(created, 1);
    const answers = [];
    c.onWebSocket("message", m => m.type === "items" && answers.push(m));
    for (let n = 0; n < 20; n++) c.sendMessage({ type: "items", collection: name, action: "create", data: { n }, uid: `n${n}` });
    await came(answers, 20);
    await came(all, 21);
    await came(created, 21);
    assert.deepEqual(all.slice(1).map(m => m.data[0].n), [...Array(20).keys()]);
    assert.deepEqual(created.slice(1).map(m => m.data), [...Array(20).keys()].map(n => [{ n }]));
    c.sendMessage({ type: "items", collection: name, action: "read", query: { sort: "-date_created", limit: 1, fields: ["n"] }, uid: "latest" });
    await came(answers, 21);
    assert.deepEqual(answers[20], { type: "items", data: [{ n: 19 }], uid: "latest" });
    c.sendMessage({ type: "items", collection: name, action: "boing", uid: "e" });
    await came(answers, 22);
    assert.equal(answers[21].error.code, "INVALID_PAYLOAD");
    const { subscription } = await c.subscribe("directus_users");
    const failing = collect(subscription);
    await came(failing, 1);
    assert.equal(failing[0].error.code, "INVALID_COLLECTION");
  });

  test(`${version}: after a lost connection all goes on`, async () => {
    const c = withSockets("handshake"), name = collection();
    const socket = await c.connect();
    const one = collect((await c.subscribe(name)).subscription);
    await came(one, 1);
    const two = collect((await c.subscribe(name, { query: { filter: { n: { _gt: 1 } } } })).subscription);
    await came(two, 1);
    const other = byToken();
    await other.request(createItem(name, { id: "1", n: 1 }));
    await came(one, 2);
    socket.terminate();
    await other.request(createItem(name, { id: "2", n: 2 }));
    const inits = got => got.slice(1).filter(m => m.event === "init");
    await poll(() => `the inits of ${JSON.stringify([one, two])}`, () => inits(one).length && inits(two).length);
    assert.equal(inits(one)[0].data.length, 2);
    assert.equal(inits(two)[0].data.length, 1);
    await sleep(300);
    const [before1, before2] = [one.length, two.length];
    await other.request(createItem(name, { id: "3", n: 3 }));
    await came(one, before1 + 1);
    await came(two, before2 + 1);
    await sleep(100);
    assert.deepEqual(one.slice(before1).map(m => [m.event, m.data[0].id]), [["create", "3"]], "once");
    assert.deepEqual(two.slice(before2).map(m => [m.event, m.data[0].id]), [["create", "3"]], "once");
  });

  test(`${version}: the SDK's heartbeat keeps a socket, and one without it ends`, async () => {
    const c = withSockets("handshake"), dumb = withSockets("handshake", { heartbeat: false, reconnect: false });
    const socket = await c.connect(), silent = await dumb.connect();
    await poll("the end of the silent one", () => silent.readyState === WebSocket.CLOSED);
    await sleep(1500);
    assert.equal(socket.readyState, WebSocket.OPEN);
  });
}

test("a killed gateway comes back with all that was there", { timeout: 30_000 }, async () => {
  const g = new Gateway({ ADMIN_KEY: admin, API_KEYS: keys, LOG_LEVEL: "error" });
  let c;
  try {
    await g.start();
    const { createDirectus, createItem, readItems, realtime, rest, staticToken } = sdk26;
    // The client's iterator ends when its first try to reconnect fails: the gateway must be there by then.
    c = createDirectus(g.url, { globals: { WebSocket: PageWebSocket } }).with(staticToken(token)).with(rest()).with(realtime({ reconnect: { delay: 3000, retries: 100 } }));
    await c.connect();
    const { subscription } = await c.subscribe("m");
    const got = [];
    (async () => {
      for await (const m of subscription) got.push(m);
    })().catch(() => {}); // it ends with the client
    await poll("the first init", () => got.length === 1);
    await c.request(createItem("m", { id: "1" }));
    await poll("the first", () => got.length === 2);
    await g.stop("SIGKILL");
    await g.start();
    await poll("an init", () => got.at(-1).event === "init" && got.at(-1).data.length === 1);
    await sleep(300);
    const before = got.length;
    await c.request(createItem("m", { id: "2" }));
    await poll("the second", () => got.length > before);
    assert.deepEqual(got.slice(before).map(m => [m.event, m.data[0].id]), [["create", "2"]]);
    assert.equal((await c.request(readItems("m"))).length, 2);
  } finally {
    c?.disconnect();
    await g.remove();
  }
});

test("a socket without a word is told so, and closed", async () => {
  const g = new Gateway({ ADMIN_KEY: admin, API_KEYS: keys, LOG_LEVEL: "error", WEBSOCKET_AUTH_TIMEOUT: "200ms" });
  try {
    await g.start();
    const ws = new WebSocket(g.url.replace("http", "ws") + "/websocket");
    const got = [];
    ws.on("message", m => got.push(JSON.parse(m)));
    await new Promise(resolve => ws.on("close", resolve));
    assert.deepEqual(got, [{ type: "auth", status: "error", error: { code: "AUTH_FAILED", message: "Authentication handshake failed." } }]);
  } finally {
    await g.remove();
  }
});
