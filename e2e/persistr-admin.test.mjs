// The published Persistr client, unmodified, against the gateway: who may what, and everything but events.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { Gateway, poll } from "./gateway.mjs";
import { adminKey, basic, call, connect, faults, follow, ids, persistr, raw, read, refused, withKey } from "./persistr-client.mjs";

const keys = Object.fromEntries(Object.entries({
  whole: { sub: ["$db/demo"], pub: ["$db/demo"] },
  deposits: { sub: ["$db/demo:deposit"], pub: ["$db/demo:deposit"] },
  reader: { sub: ["$db/demo"], pub: [] },
  star: { sub: ["*"], pub: ["*"] },
}).map(([name, grant]) => [name, { name, key: `${name}-0123456789abcdef`, ...grant }]));

let gateway, base, demo, root;

before(async () => {
  gateway = new Gateway({
    PERSISTR_DEMO: "true", ADMIN_KEY: adminKey, PING_INTERVAL: "1s", LOG_LEVEL: "error", API_KEYS: JSON.stringify(Object.values(keys)),
  }, { settled: true });
  base = await gateway.start();
  demo = await connect(base);
  root = await connect(base, `root:${adminKey}`);
});

afterEach(() => assert.deepEqual(faults, [], "thrown outside of any promise"));
after(() => gateway.remove());

const past = (events, n) => read(events({ until: "caught-up" }), n);

// account makes one with a role in a database, and connects as it.
async function account(username, role, db = demo.db) {
  await root.account({ name: `Name of ${username}`, username }).create({ password: "secret" });
  if (role) await db.grant({ role, email: username });
  return connect(base, `${username}:secret`, db.name);
}

test("wrong credentials are told in a feed, and are 401 elsewhere", async () => {
  for (const user of ["demo:wrong", "nobody:demo", "root:wrong-0123456789abc", "root:demo"]) {
    const { db } = await connect(base, user);
    await refused(read(db.events({ until: "caught-up" })), 401);
    await refused(db.stream("s").events({ after: "past-events" }).each(() => {}), 401);
    await refused(db.stream().event("t", {}).append(), 401);
    await refused(db.namespaces().all(), 401);
  }
  await refused(read((await withKey(base, "no-such-key-0123456789")).db.events()), 401);
  const bare = await persistr.connect({ server: base, database: "demo", credentials: {} });
  await refused(read(bare.db.events()), 401);
  await refused(bare.db.stream().event("t").append(), 401);
  const feed = await raw(base, "/db/demo/events", { authorization: "" });
  const failure = await feed.failure();
  assert.deepEqual([feed.status, failure.status, Boolean(failure.name)], [200, 401, true]);
  assert.equal((await call(base, "GET", "/db/demo/events?until=caught-up", { accept: "application/json", user: "demo:wrong" })).status, 401);
});

test("an unknown database is 403 everywhere", async () => {
  for (const connection of [demo, root]) {
    const db = connection.use("nowhere");
    await refused(read(db.events()), 403);
    for (const f of [
      () => db.stream().event("t").append(), () => db.namespaces().all(), () => db.ns("x").streams().all(), () => db.ns("x").create(),
      () => db.stream("s").annotate({}), () => db.stream("s").event("x").read(), () => db.destroy(), () => db.grant({ role: "reader", email: "demo" }),
    ]) await refused(f(), 403);
  }
});

test("a role allows what it should, and no more", async () => {
  await demo.use("roles").create();
  const roles = {};
  for (const role of ["reader", "member", "admin", "owner"]) roles[role] = (await account(role, role, demo.use("roles"))).db;
  roles.none = (await account("none")).use("roles");
  await demo.use("roles").ns("there").create();
  const order = ["none", "reader", "member", "admin", "owner"];
  const allowed = async (least, f) => {
    for (const role of order) {
      if (order.indexOf(role) < order.indexOf(least)) await refused(f(roles[role], role), 403);
      else await f(roles[role], role);
    }
  };
  const stream = demo.use("roles").ns("there").stream("s"), id = await stream.event("t", {}).append();
  await stream.annotate({ a: 1 });
  const of = db => db.ns("there").stream("s");
  await allowed("reader", db => read(db.events({ until: "caught-up" })));
  await allowed("reader", db => of(db).event(id).read());
  await allowed("reader", db => of(db).annotation().read());
  await allowed("reader", db => db.ns("there").streams().all());
  await allowed("reader", db => db.namespaces().all());
  await allowed("member", db => of(db).event("t", {}).append());
  await allowed("member", db => db.stream().event("t", {}).append());
  await allowed("member", db => of(db).annotate({ a: 2 }));
  await allowed("member", (db, role) => db.ns("there").stream(role).annotation().destroy().catch(e => { if (e.statusCode !== 404) throw e; }));
  await allowed("admin", (db, role) => db.ns(`new ${role}`).stream("s").event("t", {}).append());
  await allowed("admin", (db, role) => db.ns(`made ${role}`).create());
  await allowed("admin", (db, role) => db.ns(`made ${role}`).rename(`renamed ${role}`));
  await allowed("admin", db => db.ns("there").truncate());
  await allowed("admin", (db, role) => db.ns(`new ${role}`).destroy());
  const doomed = demo.use("roles").stream("doomed");
  await allowed("admin", async db => { await doomed.event("t").append().then(id => db.stream("doomed").event(id).destroy()); });
  await allowed("admin", async db => { await doomed.event("t").append(); await db.stream("doomed").destroy(); });
  await allowed("owner", db => db.grant({ role: "reader", email: "none" }));
  await allowed("owner", db => db.revoke({ email: "none" }));
  assert.ok(!(await demo.use("roles").namespaces().all()).some(n => n.name.endsWith("member")), "a member made a namespace");
  for (const role of ["reader", "member", "admin"]) await refused(roles[role].destroy(), 403);
  await roles.owner.destroy();
  await refused(read(demo.use("roles").events()), 403);
});

test("annotations, in the unnamed and in a named namespace", async () => {
  for (const ns of ["", "annotated"]) {
    const stream = demo.db.ns(ns).stream("s");
    await stream.event("t", {}).append();
    assert.equal(await stream.annotation().read(), undefined);
    await refused(stream.annotation().destroy(), 404);
    for (const annotation of [{ type: "account", owner: "Åse" }, ["a"], "text", 7, true, { deep: { a: null } }]) {
      await stream.annotate(annotation);
      assert.deepEqual(await stream.annotation().read(), annotation);
    }
    await stream.annotation().destroy();
    assert.equal(await stream.annotation().read(), undefined);
    await stream.annotate({ type: "account" });
    const path = `/db/demo/ns/${ns}/streams/s/annotation`;
    assert.equal((await call(base, "PUT", path, { body: "{" })).status, 400);
    assert.equal((await call(base, "GET", `/db/demo/ns/${ns}/streams`)).body.find(r => r.id === "s").type, "account");
    await stream.destroy();
    assert.equal(await stream.annotation().read(), undefined, "the stream's annotation survived it");
  }
});

test("rows of streams", async () => {
  const ns = demo.db.ns("rows"), [a, b] = [ns.stream("a"), ns.stream("b")];
  for (const s of [b, a, b, b]) await s.event("t", {}).append();
  await a.annotate({ type: "x", n: 1 });
  const events = await past(q => b.events(q), 3);
  const rows = await ns.streams().all();
  assert.deepEqual(rows.map(r => [r.id, r.ns.name, r.size, r.annotation]), [["a", "rows", 1, { type: "x", n: 1 }], ["b", "rows", 3, undefined]]);
  assert.deepEqual([rows[1].created, rows[1].modified], [events[0].meta.ts, events[2].meta.ts]);
  const each = [];
  await demo.db.streams({ ns: "rows" }).each(s => { each.push(s.id); });
  assert.deepEqual(each.sort(), ["a", "b"]);
  await b.event(events[2].meta.id).destroy();
  const row = (await ns.streams().all())[1];
  assert.deepEqual([row.size, row.modified], [2, events[1].meta.ts]);
  const own = demo.use("all-rows");
  await own.create();
  for (const name of ["x", "y"]) await own.ns(name).stream("s").event("t").append();
  assert.deepEqual((await own.streams({}).all()).map(r => [r.ns.name, r.id]).sort(), [["x", "s"], ["y", "s"]]);
  await own.stream("plain").event("t").append();
  // A row of the unnamed namespace, of which the client makes a stream that works.
  const all = await own.streams({}).all();
  assert.deepEqual(all.map(r => [`${r.ns.name}`, r.id, r.size]).sort(), [["", "plain", 1], ["x", "s", 1], ["y", "s", 1]]);
  const plain = all.find(r => r.id === "plain");
  const id = await plain.event("t", { n: 2 }).append();
  assert.deepEqual((await past(q => own.stream("plain").events(q), 2)).map(e => [e.meta.ns, e.data]), [["", {}], ["", { n: 2 }]]);
  assert.deepEqual(ids(await past(q => plain.events(q), 2)).at(-1), id);
  await plain.annotate({ type: "y" });
  assert.deepEqual(await own.stream("plain").annotation().read(), { type: "y" });
  await plain.event(id).destroy();
  const every = (await call(base, "GET", "/db/all-rows/streams")).body;
  assert.deepEqual(every.map(r => [r.ns, r.id, r.size]).sort(), [["", "plain", 1], ["x", "s", 1], ["y", "s", 1]]);
  assert.deepEqual((await call(base, "GET", "/db/all-rows/ns//streams")).body.map(r => r.id), ["plain"]);
  assert.equal((await call(base, "DELETE", "/db/all-rows/streams/s?ns=x")).status, 204);
  assert.deepEqual(await own.ns("x").streams().all(), []);
  await refused(demo.db.ns("nowhere").streams().all(), 404);
});

test("namespaces", async () => {
  const { db } = demo, names = async () => (await db.namespaces().all()).map(n => n.name).filter(n => n.startsWith("n-"));
  await db.ns("n-a").create();
  await refused(db.ns("n-a").create(), 400);
  const id = await db.ns("n-b").stream("s").event("t", { n: 1 }).append();
  await db.ns("n-b").stream("s").annotate({ kept: true });
  assert.deepEqual(await names(), ["n-a", "n-b"]);
  await refused(db.ns("n-b").rename("n-a"), 400);
  const [cut, whole] = [await follow(db.ns("n-b").events({ after: "past-events" })), await raw(base, "/db/demo/events?after=past-events")];
  const c = await db.ns("n-b").rename("n-c");
  await cut.fails(403);
  assert.deepEqual(await names(), ["n-a", "n-c"]);
  const [moved] = await past(q => c.events(q), 1);
  assert.deepEqual([moved.meta.id, moved.meta.ns, moved.data.n], [id, "n-c", 1]);
  assert.deepEqual(await c.stream("s").annotation().read(), { kept: true });
  await refused(read(db.ns("n-b").events()), 404);
  await refused(c.stream("s").events().write({ id, meta: { type: "t" } }), 400);
  await c.truncate();
  assert.deepEqual([await past(q => c.events(q)), await names(), await c.stream("s").annotation().read()], [[], ["n-a", "n-c"], undefined]);
  await c.stream("s").event("again").append();
  await c.destroy();
  await db.ns("n-a").destroy();
  assert.deepEqual(await names(), []);
  for (const f of [() => c.destroy(), () => c.truncate(), () => c.rename("n-d"), () => c.stream("s").annotate({})]) await refused(f(), 404);
  await poll("a feed of the whole database goes on", () => whole.events.some(e => e.meta.type === "again"));
  whole.close();
});

test("databases", async () => {
  const list = async () => (await demo.databases().all()).filter(n => n.startsWith("d-"));
  const db = await demo.use("d-1").create();
  await refused(demo.use("d-1").create(), 400);
  const stream = db.ns("x").stream("s");
  for (let n = 0; n < 3; n++) await stream.event("t", { n }).append();
  await stream.annotate({ a: 1 });
  const before = await past(q => stream.events(q), 3);
  assert.equal((await call(base, "POST", "/db/d-1/clone?to=d-2")).status, 204);
  assert.equal((await call(base, "POST", "/db/d-1/clone?to=d-2")).status, 400);
  await stream.event("t", { n: "only here" }).append();
  assert.deepEqual(await list(), ["d-1", "d-2"]);
  const copy = demo.use("d-2").ns("x").stream("s");
  const copied = await past(q => copy.events(q), 3);
  assert.deepEqual(copied, before.map(e => ({ ...e, meta: { ...e.meta, db: "d-2" } })));
  assert.deepEqual(await copy.annotation().read(), { a: 1 });
  const feed = await follow(db.stream("quiet").events());
  await refused(db.rename("d-2"), 400);
  await db.rename("d-3");
  await feed.fails(403);
  assert.deepEqual(await list(), ["d-2", "d-3"]);
  assert.equal((await past(q => demo.use("d-3").ns("x").events(q), 4)).at(-1).meta.db, "d-3");
  await refused(demo.use("d-1").stream().event("t").append(), 403);
  await demo.use("d-3").destroy();
  await demo.use("d-2").destroy();
  assert.deepEqual(await list(), []);
  await demo.use("d-2").create();
  assert.deepEqual(await past(q => demo.use("d-2").events(q)), [], "of the database that was destroyed");
  assert.deepEqual(await demo.use("d-2").namespaces().all(), []);
  for (const name of ["a%2Fb", "x".repeat(200), "%20", "a:b", "*"]) await refused(demo.use(name).create(), 400);
  const plain = demo.use("räk 1");
  await plain.create();
  await plain.stream("s").event("t").append();
  assert.equal((await past(q => demo.use(encodeURIComponent("räk 1")).events(q), 1)).length, 1);
  await plain.destroy();
});

test("times select in a clone as its events tell them", async () => {
  const db = await demo.use("t-1").create(), stream = db.stream("s");
  for (let n = 0; n < 3; n++) await stream.event("t", { n }).append(), await new Promise(f => setTimeout(f, 5));
  assert.equal((await call(base, "POST", "/db/t-1/clone?to=t-2")).status, 204);
  const copy = demo.use("t-2").stream("s"), [first, second, third] = await past(q => copy.events(q), 3);
  const got = ids(await read(copy.events({ from: second.meta.ts, until: "caught-up" }), 2));
  assert.deepEqual(got, [second.meta.id, third.meta.id]);
  assert.deepEqual(ids(await read(copy.events({ to: first.meta.ts }), 1)), [first.meta.id]);
  const [row] = (await call(base, "GET", "/db/t-2/ns//streams")).body;
  assert.deepEqual([row.created, row.modified], [first.meta.ts, third.meta.ts]);
});

test("a feed ends within a second of its grant, its account or its database", async () => {
  const owner = await demo.use("cut").create();
  const feeds = async (db, user) => {
    const one = [await follow(db.events({ after: "past-events" })), await follow(db.stream("quiet").events())];
    const plain = await raw(base, "/db/cut/events", { authorization: basic(user) });
    return async (status) => {
      const began = Date.now();
      for (const f of one) await f.fails(status);
      await poll("the end", () => plain.ended, 2_000);
      assert.equal((await plain.failure()).status, status);
      assert.ok(Date.now() - began < 1000);
    };
  };
  const other = (await account("other", "member", owner)).db;
  let cut = await feeds(other, "other:secret");
  await owner.grant({ role: "reader", email: "other" });
  assert.deepEqual(await past(q => other.events(q)), []);
  await refused(other.stream().event("t").append(), 403);
  await owner.revoke({ email: "other" });
  await cut(403);
  await refused(read(other.events()), 403);
  await refused(owner.revoke({ email: "nobody" }), 404);
  await refused(owner.grant({ role: "king", email: "other" }), 404);
  assert.equal((await call(base, "POST", "/db/cut/grant?role=owner&username=other")).status, 200);
  cut = await feeds(other, "other:secret");
  await root.account({ username: "other" }).deactivate();
  await cut(403);
  await refused(read(other.events()), 401);
  await root.account({ username: "other" }).activate();
  cut = await feeds(other, "other:secret");
  await demo.use("cut").destroy();
  await cut(403);
});

test("accounts", async () => {
  for (const f of [c => c.accounts().all(), c => c.account({ username: "x" }).create({ password: "y" }), c => c.account({ username: "demo" }).deactivate(), c => c.account({ username: "demo" }).destroy(), c => c.account({ username: "someone" }).profile()]) await refused(f(demo), 403);
  const someone = await account("someone", "reader");
  await refused(root.account({ username: "someone" }).create({ password: "z" }), 400);
  for (const username of ["root", "current", "a%3Ab"]) await refused(root.account({ username }).create({ password: "z" }), 400);
  const row = async () => (await root.accounts().all()).find(a => a.username === "someone");
  assert.deepEqual(await row(), { name: "Name of someone", username: "someone", isActive: true });
  const { id, ...profile } = await someone.account().profile();
  assert.ok(id);
  assert.deepEqual([profile.username, profile.name, profile.dbs], ["someone", "Name of someone", [{ name: "demo", role: "reader" }]]);
  assert.deepEqual(await root.account({ username: "someone" }).profile(), { id, ...profile });
  assert.equal((await demo.account({ username: "demo" }).profile()).username, "demo");
  assert.equal((await root.account().profile()).username, "root");
  assert.deepEqual(await someone.databases().all(), ["demo"]);
  await root.account({ username: "someone" }).deactivate();
  assert.equal((await row()).isActive, false);
  await refused(someone.databases().all(), 401);
  await root.account({ username: "someone" }).activate();
  assert.deepEqual(await someone.databases().all(), ["demo"]);
  await root.account({ username: "someone" }).destroy();
  assert.equal(await row(), undefined);
  await refused(someone.databases().all(), 401);
  for (const f of ["profile", "activate", "deactivate", "destroy"]) await refused(root.account({ username: "someone" })[f](), 404);
  const again = await account("someone");
  assert.deepEqual(await again.databases().all(), [], "a new account has the grants of the one before it");
  for (const body of ["{", "[]", {}, { password: "" }, { password: 5 }, { password: "x".repeat(100) }]) {
    const r = await call(base, "POST", "/accounts/bad", { body, user: `root:${adminKey}` });
    assert.ok(r.status === 400 && r.body.error, JSON.stringify(body));
  }
  await root.account({ name: "Åse", username: "åse b" }).create({ password: "blåbær: &?" });
  const odd = await persistr.connect({ server: base, database: "demo", credentials: { username: "åse b", password: "blåbær: &?" } });
  assert.equal((await odd.account().profile()).name, "Åse");
  assert.deepEqual(await odd.databases().all(), []);
});

test("API keys", async () => {
  const whole = (await withKey(base, keys.whole.key)).db, part = (await withKey(base, keys.deposits.key)).db;
  const stream = whole.ns("keys").stream("s");
  await stream.event("deposit", { n: 1 }).append();
  await stream.event("secret", { n: 2 }).append();
  await part.ns("keys").stream("s").event("deposit", { n: 3 }).append();
  await refused(part.ns("keys").stream("s").event("secret", {}).append(), 403);
  await refused(part.ns("keys of its own").stream("s").event("deposit", {}).append(), 403);
  const own = part.ns("keys").stream("s");
  assert.deepEqual((await past(q => own.events(q), 2)).map(e => e.data.n), [1, 3]);
  const all = await past(q => stream.events(q), 3);
  assert.deepEqual(all.map(e => e.data.n), [1, 2, 3]);
  await refused(own.event(all[1].meta.id).read(), 404);
  assert.equal((await own.event(all[0].meta.id).read()).data.n, 1);
  await refused(read(own.events({ types: ["secret"] })), 403);
  for (const f of [() => part.namespaces().all(), () => own.destroy(), () => own.annotate({}), () => whole.ns("keys").destroy(), () => whole.destroy()]) await refused(f(), 403);
  await stream.annotate({ by: "a key" });
  const reader = (await withKey(base, keys.reader.key)).db;
  assert.equal((await past(q => reader.ns("keys").events(q), 3)).length, 3);
  await refused(reader.ns("keys").stream("s").event("deposit").append(), 403);
  assert.deepEqual(await (await withKey(base, keys.deposits.key)).databases().all(), ["demo"]);
  const star = await withKey(base, keys.star.key);
  assert.deepEqual(await star.databases().all(), []);
  await refused(read(star.db.events()), 403);
  await refused(star.db.stream().event("t").append(), 403);
  for (const query of [`apikey=${keys.whole.key}`, ""]) {
    const r = await call(base, "GET", `/db/demo/ns?${query}`, { authorization: query ? "" : `Bearer ${"x".repeat(40)}` });
    assert.equal(r.status, query ? 200 : 401);
  }
});

test("/realtime sees a database where its grant names it, and can append to it", async () => {
  const live = {};
  for (const name of ["whole", "deposits", "star"]) {
    live[name] = await raw(base, "/realtime", { "x-apikey": keys[name].key, authorization: "" });
    await poll("init", () => live[name].messages.length > 0);
  }
  const stream = demo.db.stream(randomUUID());
  const follower = await follow(stream.events({ after: "past-events" }));
  await stream.event("deposit", { n: 1 }).append();
  await stream.event("pay bill", { n: 2 }).append();
  await follower.reach(2);
  const of = name => live[name].messages.filter(m => !["message", "ping"].includes(m.event)).map(m => ({ frame: m.event, ...JSON.parse(m.data) }));
  await poll("events in /realtime", () => of("whole").filter(e => e.stream === stream.id).length === 2);
  const seen = of("whole").filter(e => e.stream === stream.id);
  assert.deepEqual(seen.map(e => [e.frame, e.event, e.data]), [["deposit", "deposit", { n: 1 }], ["pay bill", "pay bill", { n: 2 }]]);
  const post = (name, event) => call(base, "POST", "/realtime", { body: event, "x-apikey": keys[name].key, authorization: "" });
  const event = { space: "$db/demo", event: "deposit", stream: stream.id, data: { n: 3 } };
  assert.equal((await post("deposits", event)).status, 200);
  assert.equal((await post("star", event)).status, 403);
  assert.equal((await post("deposits", { ...event, event: "pay bill" })).status, 403);
  assert.equal((await post("star", { event: "deposit", data: { n: "outside" } })).status, 200);
  await follower.reach(3);
  follower.cancel();
  const last = (await past(q => stream.events(q), 3))[2];
  assert.deepEqual([last.data, last.meta.type, last.meta.ns, last.meta.db, Boolean(last.meta.id && last.meta.tz && last.meta.ts)], [{ n: 3 }, "deposit", "", "demo", true]);
  assert.equal((await stream.event(last.meta.id).read()).data.n, 3);
  await poll("the event beside databases", () => of("star").length > 0);
  assert.deepEqual(of("star").map(e => e.data), [{ n: "outside" }]);
  await poll("what is of the key's type", () => of("deposits").length >= 2);
  assert.deepEqual(of("deposits").map(e => e.data.n), [1, 3]);
  for (const feed of Object.values(live)) feed.close();
});

test("pages of other origins may use the door", async () => {
  const ask = (path, method) => fetch(base + path, {
    method: "OPTIONS", headers: { origin: "https://example.com", "access-control-request-method": method, "access-control-request-headers": "authorization,content-type" },
  });
  for (const [path, method] of [["/events/x", "PUT"], ["/db/demo/events", "GET"], ["/db", "GET"], ["/db/demo/ns//streams/s", "DELETE"], ["/accounts/x", "POST"]]) {
    const r = await ask(path, method), head = name => r.headers.get(name)?.toLowerCase() ?? "";
    assert.ok(r.ok && head("access-control-allow-origin") === "*", path);
    for (const h of ["authorization", "content-type"]) assert.ok(head("access-control-allow-headers").includes(h), h);
    for (const m of ["get", "post", "put", "delete"]) assert.ok(head("access-control-allow-methods").includes(m), m);
  }
  const r = await call(base, "GET", "/db", { origin: "https://example.com" });
  assert.match(r.head.get("access-control-expose-headers"), /authorization/i);
  assert.deepEqual([r.head.get("access-control-allow-origin"), (await call(base, "GET", "/db/demo/ns", { user: "demo:no", origin: "https://example.com" })).head.get("access-control-allow-origin")], ["*", "*"]);
});
