// Documents by RestDB's calls: the script in Chromium and in Node's vm, EventSource, and requests as they are typed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import vm from "node:vm";
import EventSource from "eventsource";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { inVM } from "./restdb-tools.mjs";
import { jwt, secret } from "./sdk-tools.mjs";

const key = "docs-0123456789abcdef", reader = "reader-0123456789abcdef";
let gateway, base, browser;

before(async () => {
  gateway = new Gateway({
    API_KEYS: JSON.stringify([{ name: "docs", key, sub: ["*"], pub: ["*"], rest: ["*:*"] }, { name: "reader", key: reader, sub: ["*"], rest: ["GET:*"] }]),
    JWT_SECRET: secret, PING_INTERVAL: "300ms", LOG_LEVEL: "error",
  });
  base = await gateway.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await gateway.remove();
});

async function rest(method, path, body) {
  const r = await fetch(`${base}/rest/${path}`, { method, headers: { "x-apikey": key, "content-type": "application/json" }, body: body && JSON.stringify(body) });
  return { status: r.status, body: await r.json(), page: r.headers.get("x-pagination") };
}

// works goes through all the calls. It runs in the page, or here with the vm's restdb: so it stands for itself.
async function works(restdb, key, options, chat) {
  const db = new restdb(key, { realtime: true, ...options });
  const asked = (it, call, ...args) => new Promise((done, fail) => it[call](...args, (err, res) => err ? fail(err) : done(res)));
  const heard = [], got = {};
  const plain = v => JSON.parse(JSON.stringify(v));
  const short = e => [e.event, typeof e.data === "string" || Array.isArray(e.data) ? e.data : e.data._id];
  await new Promise(done => db.on("CONNECT", done));
  for (const kind of ["POST", "PUT", "DELETE"]) db[chat].on(kind, (err, e) => heard.push([kind, err, e.collection, ...short(e)]));
  db.other.on("POST", () => heard.push("another collection's"));

  const doc = new db[chat]({ text: "hello", n: 1, old: true });
  got.same = await asked(doc, "save") === doc;
  got.inserted = Object.keys(doc).sort().join();
  const id = doc._id;
  doc.on("PUT", (err, it) => heard.push(["doc", err, it === doc]));
  doc.on("DELETE", (err, it, e) => heard.push(["doc gone", err, ...short(e)]));
  doc.text = "changed";
  delete doc.n;
  await asked(doc, "save");
  const found = await asked(db[chat], "find", { text: { $in: ["changed", "a&b+c%d#e"] } }, { $max: 5, $orderby: { text: 1 } });
  got.found = found.map(d => [d._id === id, d.text, d instanceof db[chat], d.n]);
  const meta = await asked(db[chat], "find", {}, { metafields: true });
  got.meta = meta[0]._version;
  got.without = (await asked(db[chat], "find", {}))[0]._version;
  const another = await asked(db[chat], "getById", id);
  another.n = 5;
  delete another.old;
  await asked(another, "save");
  await asked(doc, "reload");
  got.reloaded = [doc.text, doc.n, doc.old ?? "gone"];
  got.sum = plain(await asked(db[chat], "find", {}, { $aggregate: ["SUM:n"] }));
  got.groups = plain(await asked(db[chat], "find", {}, { $groupby: ["text"], $fields: ["n"] })).changed.length;
  got.deleted = plain(await asked(doc, "delete")).result[0] === id;
  got.refused = await asked(doc, "reload").catch(e => `${e.status} ${e.code}`);
  got.unsaved = await asked(new db[chat]({}), "reload").catch(e => e.message);
  got.special = [typeof db.then, JSON.stringify({ on: db.on }), String(new db[chat]({}))];
  for (const end = Date.now() + 5000; !heard.some(h => h[0] === "doc gone") && Date.now() < end;) await new Promise(r => setTimeout(r, 10));
  await new Promise(r => setTimeout(r, 50));
  db.close();
  return plain({ id, got, heard });
}

function right({ id, got, heard }, chat) {
  assert.deepEqual(got, {
    same: true, inserted: "_changed,_changedby,_created,_createdby,_id,n,old,text",
    found: [[true, "changed", true, null]], meta: 2, reloaded: ["changed", 5, "gone"], sum: { "SUM n": 5 }, groups: 1, deleted: true,
    refused: "404 not_found", unsaved: "it has no _id: save it before you reload it", special: ["undefined", "{}", chat],
  });
  assert.deepEqual(heard, [
    ["POST", null, chat, "post", id],
    ["PUT", null, chat, "put", id], ["doc", null, true],
    ["PUT", null, chat, "put", id], ["doc", null, true],
    ["DELETE", null, chat, "delete", [id]], ["doc gone", null, "delete", [id]],
  ]);
}

// page serves HTML from another origin than the gateway's.
async function page(t, html) {
  const server = createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html" }).end(html));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const it = await (await browser.newContext()).newPage(), faults = [];
  it.on("pageerror", e => faults.push(e.message));
  t.after(async () => {
    await it.context().close();
    server.closeAllConnections();
    server.close();
    assert.deepEqual(faults, []);
  });
  await it.goto(`http://127.0.0.1:${server.address().port}`);
  return it;
}

for (const [what, head, query] of [
  ["with the SDK", "", ""],
  ["the plain form", "", "?plainjs=true"],
  ["without the module", `<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-inline' 'unsafe-eval' ${"BASE"}/rest/_jsapi.js">`, ""],
]) test(`a page: ${what}`, { timeout: 30_000 }, async t => {
  const chat = "chat-" + Math.random().toString(36).slice(2);
  const it = await page(t, `<!doctype html>${head.replace("BASE", base)}<script src="${base}/rest/_jsapi.js${query}"></script>`);
  right(await it.evaluate(`(${works})(restdb, "${key}", {}, "${chat}")`), chat);
});

for (const [what, token] of [["a key", false], ["a token in place of the key", true]])
  test(`Node's vm with eventsource: ${what}`, { timeout: 30_000 }, async () => {
    const { restdb } = inVM({ EventSource }), chat = "vm_" + Math.random().toString(36).slice(2);
    const credential = token ? jwt(60, { realtime: { sub: ["*"], rest: ["*:*"] } }) : key;
    right(await works(restdb, credential, { url: base, jwt: token }, chat), chat);
  });

test("no realtime, no rights, no Proxy", { timeout: 30_000 }, async () => {
  const context = inVM({ EventSource });
  const quiet = new context.restdb(key, { url: base });
  const saved = await new Promise((done, fail) => new quiet.quiet({ a: 1 }).save((err, doc) => err ? fail(err) : done(doc)));
  assert.equal(saved.a, 1);
  const may = new context.restdb(reader, { url: base });
  const err = await new Promise(done => new may.quiet({}).save(e => done(e)));
  assert.deepEqual([err.status, err.code], [403, "forbidden"]);
  assert.match(err.message, /give it "POST:quiet"/);
  vm.runInContext("delete globalThis.Proxy", context);
  const old = new context.restdb(reader, { url: base });
  assert.equal(old.quiet, undefined);
  assert.equal((await new Promise((done, fail) => old.collection("quiet").find({}, (e, r) => e ? fail(e) : done(r)))).length, 1);
});

test("a call says what was so when it was made, and no document takes its own calls away", { timeout: 30_000 }, async () => {
  const { restdb } = inVM({ EventSource }), name = "now_" + Math.random().toString(36).slice(2);
  const db = new restdb(key, { url: base, realtime: true });
  const asked = (it, call, ...args) => new Promise((done, fail) => it[call](...args, (err, res) => err ? fail(err) : done(res)));
  const published = new Promise(done => db.on("SAID", (_, e) => done(e.data)));
  const doc = new db[name]({ n: 1 }), data = { n: 1 };
  const saving = asked(doc, "save");
  db.publish("SAID", data);
  doc.n = data.n = 2;
  assert.equal((await saving).n, 1);
  assert.deepEqual(JSON.parse(JSON.stringify(await published)), { n: 1 });
  const loop = new db[name]();
  loop.loop = loop;
  assert.throws(() => loop.save(() => {}), /circular/);
  db.close();
  const closed = new restdb(key, { url: base, realtime: true });
  closed.close();
  for (const args of [[{}, {}], [{}], []]) assert.equal((await asked(closed[name], "find", ...args)).length, 1);

  const text = `{"_id":"p","__proto__":{"save":1},"constructor":2}`;
  const made = await fetch(`${base}/rest/${name}`, { method: "POST", body: text, headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(made.status, 201);
  const it = (await asked(db[name], "find", { _id: "p" }))[0];
  assert.equal(it instanceof db[name], true);
  it.n = 1;
  delete it.constructor;
  assert.equal(JSON.stringify(await asked(it, "save")), `{"_id":"p","__proto__":{"save":1},"n":1}`);
  const same = await asked(db[name], "getById", "p");
  await rest("PUT", name + "/p", { valueOf: 1, $unset: { n: 1, ["__proto__"]: 1 } });
  assert.equal(JSON.stringify(await asked(same, "reload")), `{"_id":"p","valueOf":1}`);
  await rest("PUT", name + "/p", { $unset: { valueOf: 1 } });
  assert.equal(JSON.stringify(await asked(same, "reload")), `{"_id":"p"}`);
  assert.equal(db.collection("__proto__"), db.collection("__proto__"));
});

test("eventsource hears what REST changes, with the key in a header", { timeout: 30_000 }, async t => {
  const source = new EventSource(`${base}/realtime?channels=*:heard`, { headers: { "x-apikey": key } }), heard = [];
  t.after(() => source.close());
  for (const kind of ["post", "put", "delete"]) source.addEventListener(kind, e => heard.push([kind, JSON.parse(e.data)]));
  await once(source, "open");
  const made = (await rest("POST", "heard", { name: "Ann" })).body;
  await rest("POST", "heard?validate=false", [{ _id: "b" }, { _id: "c" }]);
  await rest("PUT", `heard/${made._id}`, { $inc: { n: 1 } });
  await rest("PATCH", "heard/b", { n: 2 });
  await rest("DELETE", "heard/b");
  await rest("DELETE", "heard/*", [made._id, "c"]);
  await poll("all", () => heard.length >= 7);
  assert.deepEqual(heard, [
    ["post", { event: "post", collection: "heard", data: { ...made, _version: 1 } }],
    ["post", { event: "post", collection: "heard", data: heard[1][1].data }], ["post", { event: "post", collection: "heard", data: heard[2][1].data }],
    ["put", { event: "put", collection: "heard", data: made._id }], ["put", { event: "put", collection: "heard", data: "b" }],
    ["delete", { event: "delete", collection: "heard", data: ["b"] }], ["delete", { event: "delete", collection: "heard", data: [made._id, "c"] }],
  ]);
  assert.deepEqual([heard[1][1].data._id, heard[2][1].data._id], ["b", "c"]);
});

// What public programs for RestDB do: two count by COUNT, two read the newest document by MAX, several read totals, and
// RestDB's samples for React, jQuery, Angular and Python change some fields by PUT.
test("what programs written for RestDB read", { timeout: 30_000 }, async t => {
  await rest("POST", "program", [{ _id: "1", name: "Ann", age: 30, kids: [{ name: "Joe", age: 3 }] }, { _id: "2", name: "Bob", age: 41 }]);
  const params = p => "program?" + new URLSearchParams(Object.entries(p).map(([k, v]) => [k, typeof v === "string" ? v : JSON.stringify(v)]));
  assert.equal((await rest("GET", params({ q: {}, h: { $aggregate: ["COUNT:"] } }))).body["COUNT "], 2);
  assert.equal((await rest("GET", params({ h: { $aggregate: ["MAX:age"] } }))).body["MAX age"].name, "Bob");
  assert.equal((await rest("GET", params({ h: { $groupby: ["name"], $aggregate: ["SUM:age"] } }))).body.Ann["SUM age"], 30);
  assert.equal((await rest("GET", "program?&totals=true&count=true")).body.totals.count, 2);
  assert.deepEqual((await rest("GET", params({ totals: "true", max: "1", q: { "kids.0": { $exists: true } } }))).body.data.map(d => d.name), ["Ann"]);
  assert.equal((await rest("GET", params({ q: { kids: { $elemMatch: { name: "Joe", age: { $lt: 5 } } } }, h: [] }))).body.length, 1);
  assert.deepEqual((await rest("PUT", "program/1", { age: 31 })).body.name, "Ann");

  const it = await page(t, `<!doctype html><form method=post action="${base}/rest/program/?apikey=${key}"><input name=name value="Eve & Co"><input name=tags value=a><input name=tags value=b><button>`);
  const [answer] = await Promise.all([it.waitForResponse(r => r.url().includes("/rest/program")), it.click("button")]);
  assert.equal(answer.status(), 201);
  const { _id } = (await rest("GET", params({ q: { name: "Eve & Co" } }))).body[0];
  assert.deepEqual((await rest("GET", "program/" + _id)).body, { _id, name: "Eve & Co", tags: ["a", "b"] });
});

// typed sends a request line as it is, past a balancer that is stricter.
async function typed(target) {
  const { hostname, port } = new URL(gateway.direct);
  const socket = connect(port, hostname);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\nx-apikey: ${key}\r\n\r\n`);
  const text = Buffer.concat(await socket.toArray()).toString();
  const [head, body] = text.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), page: /^x-pagination: (.*)$/im.exec(head)?.[1], body };
}

test("JSON in the query as it is typed", { timeout: 30_000 }, async () => {
  await rest("POST", "typed", [{ _id: "1", n: 1, s: "a b" }, { _id: "2", n: 2, s: "+47" }, { _id: "3", n: 3, s: "ü$" }]);
  const ids = async query => JSON.parse((await typed("/rest/typed?" + query)).body).map(d => d._id).join();
  assert.equal(await ids(`q={"n":{"$gt":1}}`), "2,3");
  assert.equal(await ids(`q={"n":{"$gt":1}}&h={"$orderby":{"n":-1},"$max":1}`), "3");
  assert.equal(await ids(`q={%22s%22:%22a%20b%22}`), "1");
  assert.equal(await ids(`q={"s":"+47"}`), "2");
  assert.equal(await ids(`q={"s":"ü$"}`), "3");
  assert.equal(await ids(`q={"$or":[{"n":1},{"s":{"$regex":"^.47$"}}]}&h={}`), "1,2");
  assert.deepEqual(JSON.parse((await typed(`/rest/typed?q={"n":{"$gt":1}}&h={"$max":1,"$skip":1}`)).page), { total: 2, count: 1, skip: 1, max: 1 });
  assert.equal((await typed(`/rest/typed?q={"n":`)).status, 400);
});

test("a page's own address bar: what Chromium makes of unencoded JSON", { timeout: 30_000 }, async t => {
  await rest("POST", "bar", [{ _id: "1", s: `it's "a" + <b> 50% {c}` }, { _id: "2", s: "x" }]);
  const it = await page(t, "<!doctype html>");
  const got = await it.evaluate(async ([base, key]) => {
    const r = await fetch(base + "/rest/bar?q=" + JSON.stringify({ s: `it's "a" + <b> 50% {c}` }) + "&h=" + JSON.stringify({ $max: 3 }), { headers: { "x-apikey": key, "content-type": "application/json", "cache-control": "no-cache" } });
    return [r.status, (await r.json()).map(d => d._id), r.headers.get("X-Pagination")];
  }, [base, key]);
  assert.deepEqual(got, [200, ["1"], `{"total":1,"count":1,"skip":0,"max":3}`]);
  const methods = await it.evaluate(async ([base, key]) => {
    const call = (method, path, body) => fetch(base + "/rest/" + path, { method, body, headers: { "x-apikey": key, "content-type": "application/json" } }).then(async r => [r.status, await r.json()]);
    return [await call("PATCH", "bar/2", `{"n":1}`), await call("PUT", "bar/2", `{"$inc":{"n":1}}`), await call("DELETE", "bar/2"), await call("GET", "bar/2")];
  }, [base, key]);
  assert.deepEqual(methods.map(([s]) => s), [200, 200, 200, 404]);
  assert.deepEqual(methods[2][1], { result: ["2"] });
  assert.equal(methods[3][1].code, "not_found");
});
