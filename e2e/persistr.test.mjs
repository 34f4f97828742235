// The published Persistr client, unmodified, against the gateway: appending and reading.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, poll } from "./gateway.mjs";
import { adminKey, bulk, call, connect, faults, follow, ids, raw, read, refused, withKey } from "./persistr-client.mjs";

const key = "persistr-0123456789abcdef";
let gateway, base, connection, db;

before(async () => {
  gateway = new Gateway({
    PERSISTR_DEMO: "true", ADMIN_KEY: adminKey, PING_INTERVAL: "1s", LOG_LEVEL: "error",
    API_KEYS: JSON.stringify([{ name: "demo", key, sub: ["$db/demo"], pub: ["$db/demo"] }]),
  }, { settled: true });
  base = await gateway.start();
  connection = await connect(base);
  db = connection.db;
});

afterEach(() => assert.deepEqual(faults, [], "thrown outside of any promise"));
after(() => gateway.remove());

const append = (stream, type, data) => stream.event(type, data).append();

test("a crowd that comes at once, as after a restart, is let in at once", async () => {
  const stream = db.stream(), began = Date.now();
  const crowd = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => append(stream, "t", { n })));
  assert.equal(crowd.find(r => r.status === "rejected")?.reason, undefined);
  assert.ok(Date.now() - began < 3000, `100 events took ${Date.now() - began} ms`);
  assert.equal((await read(stream.events({ until: "caught-up" }), 100)).length, 100);
});

test("an event comes back as it was appended", async () => {
  const stream = db.stream();
  const data = { credit: 1.50, text: "a\nb\r\n\u2028 \u0000 <&> 日本 😀", deep: [{ a: [null, true, -0.001, 1e21] }], "": {}, meta: { id: "x" } };
  const id = await append(stream, "open account", data);
  assert.match(id, /^[0-9a-f-]{36}$/);
  const bare = await stream.event("bare").append();
  const extra = await stream.events().write({ id: randomUUID(), data: {}, meta: { type: "extra", tz: "Mars/North", ts: "1999-01-01T00:00:00.000Z", cause: { n: [1] } } });
  const got = await read(stream.events({ until: "caught-up" }), 3);
  assert.deepEqual(ids(got), [id, bare, extra]);
  assert.deepEqual(got[0].data, data);
  const { ts, tz, ...meta } = got[0].meta;
  assert.deepEqual(meta, { id, type: "open account", db: "demo", ns: "", stream: stream.id });
  assert.match(ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.now() - Date.parse(ts)) < 60_000 && tz);
  assert.deepEqual([got[1].data, got[2].meta.tz, got[2].meta.cause], [{}, "Mars/North", { n: [1] }]);
  assert.notEqual(got[2].meta.ts, "1999-01-01T00:00:00.000Z");
  assert.deepEqual(await stream.event(id).read(), got[0]);
  const posted = await call(base, "POST", "/events", { body: { data: { a: 1 }, meta: { db: "demo", ns: "", stream: stream.id, type: "posted" } } });
  assert.equal(posted.status, 201);
  await stream.event(bare).destroy();
  const rest = await read(stream.events({ until: "caught-up" }), 3);
  assert.deepEqual(rest.map(e => e.meta.type), ["open account", "extra", "posted"]);
  assert.ok(rest[2].meta.id && rest[2].meta.tz);
  await refused(stream.event(bare).read(), 404);
  await stream.destroy();
  assert.deepEqual(await read(stream.events({ until: "caught-up" })), []);
  await refused(stream.destroy(), 404);
});

test("an id is taken once in a stream, and again in another", async () => {
  const [a, b] = [db.stream(), db.stream()];
  const event = { id: randomUUID(), data: { n: 1 }, meta: { type: "t" } };
  await a.events().write(event);
  await refused(a.events().write({ ...event, data: { n: 2 } }), 400);
  await b.events().write(event);
  const [mine, other] = [await read(a.events({ until: "caught-up" }), 1), await read(b.events({ until: "caught-up" }), 1)];
  assert.deepEqual([...ids(mine), ...ids(other), mine[0].data.n], [event.id, event.id, 1]);
  await sleep(5);
  const racing = await Promise.allSettled(Array.from({ length: 8 }, () => a.events().write({ id: "same", meta: { type: "t" } })));
  assert.equal(racing.filter(r => r.status === "fulfilled").length, 1);
});

test("every selector, alone and combined, does what a filter does", { timeout: 30_000 }, async () => {
  const [own, named, other] = [db.stream(), db.ns("sel").stream("account 7"), db.ns("sel").stream("another")];
  for (const s of [own, named, own, other, own, named]) {
    await append(s, ["opened", "deposit", "pay bill"][Math.floor(Math.random() * 3)], {});
    await sleep(3);
  }
  // Some of one millisecond, as a batch makes them.
  await bulk(base, key, [own.id, own.id, "sel/account 7", own.id, "sel/another"].map((stream, n) => ({ event: n % 2 ? "deposit" : "opened", stream, data: { n } })));
  await sleep(3);
  for (const s of [own, named, own]) await append(s, "deposit", {});
  const first = (await read(own.events({ until: "caught-up" }), 8))[0];
  const all = await read(db.events({ from: `${own.id}.${first.meta.id}`, until: "caught-up" }), 14);
  assert.equal(all.length, 14);
  await sleep(300); // a time is over for good a little later

  const scopes = [
    { events: q => own.events(q), has: e => e.meta.stream === own.id, name: e => e.meta.id },
    { events: q => named.events(q), has: e => e.meta.stream === "account 7", name: e => e.meta.id },
    { events: q => db.ns("sel").events(q), has: e => e.meta.ns === "sel", name: e => `${e.meta.stream}.${e.meta.id}` },
    { events: q => db.events(q), has: () => true, name: e => `${e.meta.stream}.${e.meta.id}` },
  ];
  const at = all.map(e => `${e.meta.stream} ${e.meta.id}`);
  const place = e => at.indexOf(`${e.meta.stream} ${e.meta.id}`);
  const pick = list => list[Math.floor(Math.random() * list.length)];
  const trial = async () => {
    const scope = pick(scopes);
    const query = {}, tests = [scope.has];
    const bound = (name, byPlace, byTime) => {
      if (Math.random() < 0.5) {
        const e = pick(all.filter(scope.has));
        query[name] = scope.name(e);
        tests.push(x => byPlace(place(x) - place(e)));
      } else {
        const ts = query[name] = pick(all).meta.ts;
        tests.push(x => byTime(Date.parse(x.meta.ts) - Date.parse(ts)));
      }
    };
    // The whole database holds what other tests wrote.
    if (scope === scopes[3] || Math.random() < 0.5) bound("from", d => d >= 0, d => d >= 0);
    if (Math.random() < 0.4) bound("after", d => d > 0, d => d > 0);
    const end = Math.floor(Math.random() * 4);
    if (end & 1) bound("to", d => d <= 0, d => d <= 0);
    if (end & 2) bound("until", d => d < 0, d => d < 0);
    if (end === 0 || end === 1 && Math.random() < 0.3) query.until = "caught-up";
    if (Math.random() < 0.4) {
      query.types = pick([["deposit"], ["opened", "pay bill"], ["pay bill"], ["none"], ["*o*"], ["depos?t", "pay bill"]]);
      const globs = query.types.map(t => new RegExp("^" + t.replace(/\*/g, ".*").replace(/\?/g, ".") + "$"));
      tests.push(x => globs.some(g => g.test(x.meta.type)));
    }
    let want = all.filter(e => tests.every(t => t(e)));
    if (Math.random() < 0.3) want = want.slice(0, query.limit = pick([1, 2, 3, 50]));
    const got = await read(scope.events(query), want.length);
    assert.deepEqual(ids(got), ids(want), JSON.stringify(query));
  };
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 20 }, trial));

  // The newest event's time, and now, lie behind all that is stored.
  const newest = all.at(-1).meta.ts, rest = db.stream();
  for (const query of [{ after: newest }, { from: new Date(Date.now() - 5).toISOString() }]) {
    assert.deepEqual(await read(own.events({ ...query, until: "caught-up" })), []);
    const next = await follow(rest.events(query));
    await append(rest, "next");
    await next.reach(1);
    next.cancel();
    await rest.destroy();
  }

  // after=past-events has nothing that is past.
  assert.deepEqual(await read(own.events({ after: "past-events", until: "caught-up" })), []);
});

test("limit counts history and live together; the client's 50 is none where nothing else ends the feed", async () => {
  const stream = db.ns("limits").stream("s");
  for (let n = 0; n < 3; n++) await append(stream, "t", { n });
  const five = await follow(stream.events({ limit: 5 }));
  await five.reach(3);
  const together = await raw(base, "/db/demo/events?ns=limits&stream=s&limit=5&schema=jsonapi");
  await poll("history", () => together.events.length === 3);
  const among = await follow(db.ns("limits").events({ limit: 4, types: ["t*"] }));
  await among.reach(3);
  for (let n = 3; n < 60; n++) {
    await append(n % 2 ? stream : db.ns("limits2").stream("s"), "t", { n });
    await append(stream, "u", { n });
  }
  await poll("the end", () => together.ended);
  assert.deepEqual(together.messages.at(-1), { event: "error", data: "" });
  assert.deepEqual([five.length, together.events.length, among.length], [5, 5, 4]);
  const size = 3 + 29 + 57;
  assert.equal((await read(stream.events({ until: "caught-up" }), size)).length, size);
  const open = await follow(stream.events());
  await open.reach(size);
  await append(stream, "last");
  await open.reach(size + 1);
  open.cancel();
  const last = open.at(-1).meta.id;
  assert.equal((await read(stream.events({ to: last }), 50)).length, 50);
  assert.equal((await read(stream.events({ until: last, limit: 51 }), 51)).length, 51);
  assert.equal((await read(stream.events({ to: last, until: "caught-up" }), 50)).length, 50);
  assert.equal((await read(stream.events({ limit: 49, until: "caught-up" }), 49)).length, 49);
  const soon = await follow(db.stream().events({ to: new Date(Date.now() + 400).toISOString() }));
  await poll("the end of a time that lay ahead", () => soon.ended, 3_000);
});

test("after past-events there is only what comes; cancel stops it", async () => {
  const stream = db.stream();
  await append(stream, "old");
  const [live, everything] = [await follow(stream.events({ after: "past-events" })), await follow(db.events({ after: "past-events", types: ["new one", "ünï"] }))];
  for (const type of ["new one", "other", "ünï"]) await append(stream, type);
  await Promise.all([live.reach(3), everything.reach(2)]);
  live.cancel();
  await append(stream, "new one");
  await everything.reach(3);
  assert.deepEqual(live.map(e => e.meta.type), ["new one", "other", "ünï"]);
  assert.deepEqual(everything.map(e => e.meta.type), ["new one", "ünï", "new one"]);
  everything.cancel();
});

test("10,000 events of history in one each(), and live behind it without a seam", { timeout: 30_000 }, async () => {
  const many = 10_000, stream = db.ns("long").stream("s");
  await bulk(base, key, Array.from({ length: many }, (_, n) => ({ event: "n", stream: "long/s", data: { n } })));
  let writing = true, n = many;
  const writer = (async () => { for (; writing; n++) await append(stream, "n", { n }); })();
  const path = "/db/demo/events?ns=long&stream=s&limit=50&schema=jsonapi";
  const [sdk, plain] = [await follow(stream.events()), await raw(base, path)];
  await Promise.all([sdk.reach(many + 50), poll("live events", () => plain.events.length >= many + 50)]);
  writing = false;
  await writer;
  await Promise.all([sdk.reach(n), poll("all", () => plain.events.length >= n)]);
  for (const got of [sdk, plain.events]) assert.ok(got.length === n && got.every((e, i) => e.data.n === i), "in order, once");
  sdk.cancel();
  plain.close();
  const rest = await read(db.ns("long").events({ after: `s.${sdk[n - 201].meta.id}`, until: "caught-up" }), 200);
  assert.deepEqual(rest.map(e => e.data.n), sdk.slice(n - 200).map(e => e.data.n));

  // The same as pages of JSON. A page may end where a position, which is a time in microseconds, is a whole millisecond.
  const even = plain.messages.findIndex((m, i) => i > 0 && m.id.endsWith("000"));
  assert.ok(even > 0, "no position is a whole millisecond");
  const at = Math.max(0, even - 500), from = plain.events[at];
  for (const limit of [even - at + 1, 777, ""]) {
    const got = [];
    for (let next = `/db/demo/ns/long/streams/s/events?schema=jsonapi&limit=${limit}&from=${from.meta.id}`; next;) {
      const page = await call(base, "GET", next, { accept: "application/json" });
      assert.equal(page.status, 200, page.text);
      got.push(...page.body.data);
      next = page.body.links.next;
    }
    const wrong = got.findIndex((e, i) => e.data.n !== at + i);
    assert.ok(wrong < 0 && got.length === n - at, `pages of ${limit || "any size"}: ${got.length} of ${n - at} events, wrong from ${wrong}`);
  }
  assert.equal((await call(base, "GET", "/db/demo/events?after=past-events", { accept: "application/json" })).status, 406);
});

test("two writers on one stream: all is stored, in one order for all", async () => {
  const stream = db.stream();
  const second = (await connect(base)).db;
  const live = [await follow(stream.events()), await follow(second.stream(stream.id).events())];
  const writer = async (s, who) => { for (let n = 0; n < 100; n++) await append(s, "t", { who, n }); };
  await Promise.all([writer(stream, "a"), writer(second.stream(stream.id), "b")]);
  const past = await read(stream.events({ until: "caught-up" }), 200);
  await Promise.all(live.map(l => l.reach(200)));
  for (const l of live) assert.deepEqual(ids(l), ids(past));
  for (const who of ["a", "b"]) assert.deepEqual(past.filter(e => e.data.who === who).map(e => e.data.n), Array.from({ length: 100 }, (_, n) => n));
  for (const l of live) l.cancel();
});

test("any text is a type, a stream, a namespace or an id", { timeout: 20_000 }, async () => {
  const names = ["pay bill", "räksmörgås 日本 😀", "a,b", "put", "POST", "error", "open", "$x", "$db/demo", "a/b", "50% off", "%2F", "~", "what?#&=+", "x:y*", "a\\b[c]", ".", "..", " edge ", "é".repeat(100), "x".repeat(300), "x".repeat(299) + "y", "tab\there", "0"];
  await db.ns("types").create();
  const live = await follow(db.ns("types").events({ after: "past-events" }));
  for (const type of names) await append(db.ns("types").stream("s"), type, { type });
  await live.reach(names.length);
  live.cancel();
  for (const got of [live, await read(db.ns("types").events({ until: "caught-up" }), names.length)]) {
    assert.deepEqual(got.map(e => e.meta.type), names);
    assert.deepEqual(got.map(e => e.data.type), names);
  }
  for (const type of names.filter(n => !/[,*]/.test(n))) { // a comma parts types, and * is a wildcard
    assert.deepEqual((await read(db.ns("types").events({ types: [type], until: "caught-up" }), 1)).map(e => e.meta.type), [type]);
  }
  const encode = encodeURIComponent;
  for (const name of names) {
    const stream = db.ns(name).stream(name);
    const id = await append(stream, "t", { name });
    for (const scope of [stream, db.ns(name)]) {
      const got = await read(scope.events({ until: "caught-up" }), 1);
      assert.deepEqual(got.map(e => [e.meta.ns, e.meta.stream, e.meta.id]), [[name, name, id]]);
    }
    assert.equal((await read(db.events({ from: `${name}.${id}`, to: `${name}.${id}` }), 1)).length, 1);
    if (name === "." || name === "..") continue; // no client's URL can hold these as a part of a path
    const path = db.ns(encode(name)).stream(encode(name));
    assert.equal((await path.event(id).read()).data.name, name);
    await path.annotate({ name });
    assert.deepEqual(await path.annotation().read(), { name });
    const rows = await path.ns.streams().all();
    assert.deepEqual(rows.map(r => [r.id, r.size, r.annotation]), [[name, 1, { name }]]);
    await path.destroy();
  }
  const listed = (await db.namespaces().all()).map(n => n.name);
  assert.deepEqual(names.filter(n => !listed.includes(n)), []);
  const stream = db.stream();
  const odd = ["a.b", "räk 1", "put", "x".repeat(200)];
  for (const id of odd) await stream.events().write({ id, meta: { type: "t" } });
  for (const id of odd) assert.equal((await stream.event(encode(id)).read()).meta.id, id);
  assert.deepEqual(ids(await read(db.events({ from: `${stream.id}.a.b`, until: "caught-up" }), 4)), odd);
});

test("a stream can be followed before its namespace or its first event is there", async () => {
  const early = [await follow(db.stream("to come").events()), await follow(db.ns("to come").stream("s").events())];
  await append(db.stream("to come"), "t");
  await append(db.ns("to come").stream("s"), "t");
  await Promise.all(early.map(async (feed, i) => {
    await poll(() => `event on feed ${i}; it failed with: ${feed.failed?.message}`, () => feed.length === 1, 3_000);
    feed.cancel();
  }));
});

test("bad input is refused in the door's shape, and nothing is stored", async () => {
  const [stream, other] = [db.stream(), db.stream()];
  const id = await append(stream, "t"), elsewhere = await append(other, "t");
  for (const query of [
    { from: randomUUID() }, { after: elsewhere }, { to: "x" }, { until: `${other.id}.${elsewhere}` }, { from: "9999-01-01T00:00:00.000Z" },
    { after: "1969-01-01T00:00:00Z" }, { from: "2026-13-45T00:00:00.000Z" }, { limit: -1 }, { limit: 10 ** 12 }, { limit: 1.5 },
    { types: ["a", ""] }, { types: [","] },
  ]) await assert.rejects(read(stream.events(query)), e => [400, 404].includes(e.statusCode) && e.message.length > 5, JSON.stringify(query));
  for (const query of [{ from: id }, { from: "x" }, { after: "." }, { from: `${stream.id}.${elsewhere}` }]) await refused(read(db.events(query)), 404);
  await refused(read(db.ns("nowhere").events({ until: "caught-up" })), 404);
  for (const query of ["limit=0", "limit=1e3", "limit=5&limit=6", "from=%zz", "types=,", "from=-1"]) {
    const feed = await raw(base, `/db/demo/events?stream=${stream.id}&${query}`);
    const { message, name, status } = await feed.failure();
    assert.ok(feed.status === 200 && feed.type === "text/event-stream" && message && name && [400, 404].includes(status), query);
    feed.close();
  }
  const meta = { db: "demo", ns: "", stream: stream.id, type: "t" };
  for (const body of [
    "{", "", "[]", "null", "1", "\"x\"", [{ data: {}, meta }], {}, { data: {} }, { data: {}, meta: [] }, { data: {}, meta: { ...meta, type: undefined } },
    { data: {}, meta: { ...meta, type: "" } }, { data: {}, meta: { ...meta, type: 5 } }, { data: {}, meta: { ...meta, stream: "" } },
    { data: {}, meta: { ...meta, stream: null } }, { data: [], meta }, { data: "x", meta }, { data: null, meta }, { data: {}, meta: { ...meta, id: "another" } },
    { data: {}, meta: { ...meta, type: "x".repeat(2000) } }, `{"data":{},"meta":${JSON.stringify(meta)}} {}`,
  ]) {
    const r = await call(base, "PUT", `/events/${randomUUID()}`, { body });
    assert.ok(r.status === 400 && typeof r.body?.error === "string", `${JSON.stringify(body)?.slice(0, 80)}: ${r.status} ${r.text}`);
  }
  const large = await call(base, "PUT", `/events/${randomUUID()}`, { body: { data: { x: "x".repeat(70_000) }, meta } });
  assert.ok(large.status === 413 && large.body.error);
  assert.deepEqual(ids(await read(stream.events({ until: "caught-up" }), 1)), [id]);
});

test("a feed that idles gets comments and stays open", async () => {
  const stream = db.stream();
  const [quiet, plain] = [await follow(stream.events()), await raw(base, `/db/demo/events?stream=${stream.id}&limit=50&schema=jsonapi`)];
  await poll("two comments", () => plain.comments >= 2, 5_000);
  assert.ok(!quiet.ended && !quiet.failed && !plain.ended && plain.messages.length === 0);
  await append(stream, "t");
  await quiet.reach(1);
  quiet.cancel();
  plain.close();
});

test("over SIGTERM and kill -9 nothing is lost and nothing comes twice", { timeout: 30_000 }, async () => {
  const stream = db.ns("restart").stream("s"), writerDB = (await withKey(base, key)).db;
  let writing = true, acked = 0;
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      for (let stored = false; !stored;) { // the id makes it safe to try again
        await writerDB.ns("restart").stream("s").events().write({ id: `n${n}`, data: { n }, meta: { type: "n" } })
          .then(() => stored = true, async e => { stored = e.statusCode === 400; if (!stored) await sleep(20); });
      }
      acked = n + 1;
    }
  })();
  await poll("the first events", () => acked > 20);
  const got = [];
  let feed = await follow(stream.events());
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    const [quiet, before] = [await follow(db.stream().events()), acked];
    await poll("more events", () => acked > before + 50 && feed.length > 0);
    await gateway.stop(signal);
    await poll("the end of an idle feed", () => quiet.failed || quiet.ended);
    if (quiet.failed) assert.equal(quiet.failed.statusCode, 503);
    got.push(...feed);
    await gateway.start();
    feed = await follow(stream.events({ after: got.at(-1).meta.id }));
  }
  const then = acked;
  await poll("the writer to go on", () => acked > then + 50);
  writing = false;
  await writer;
  await poll("all events", () => got.length + feed.length >= acked);
  feed.cancel();
  got.push(...feed);
  assert.deepEqual(got.map(e => e.data.n), Array.from({ length: acked }, (_, n) => n));
  assert.equal((await read(stream.events({ until: "caught-up" }), acked)).length, acked);
});
