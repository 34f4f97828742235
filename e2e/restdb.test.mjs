// Pages written for RestDB: its calls in a browser, and where there is no import.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { Clock, Source, inVM } from "./restdb-tools.mjs";
import { Proxy, connections, jwt, key, settings } from "./sdk-tools.mjs";

let gateway, base, browser, opened = [];

before(async () => {
  gateway = new Gateway(settings);
  base = await gateway.start();
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
});

async function post(body) {
  const r = await fetch(base + "/realtime", { method: "POST", body: JSON.stringify(body), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(r.status, 200);
}

// host serves a page, and passes /prefix on to the gateway.
async function host(t, html) {
  const server = createServer((near, answer) => {
    if (!near.url.startsWith("/prefix/")) return answer.writeHead(200, { "content-type": "text/html" }).end(html);
    const far = request(base + near.url.slice(7), { method: near.method, headers: near.headers }, r => r.pipe(answer.writeHead(r.statusCode, r.headers)));
    answer.on("close", () => far.destroy());
    far.on("error", () => answer.destroy());
    near.pipe(far);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}`;
}

async function open(t, html) {
  const page = await (await browser.newContext()).newPage();
  const faults = [];
  page.on("pageerror", e => faults.push(e.message));
  t.after(() => assert.deepEqual(faults, []));
  const addresses = [];
  page.on("request", r => addresses.push(r.url()));
  const url = await host(t, html);
  await page.goto(url);
  return { page, addresses, url };
}

const example = (src, options = "") => `<!doctype html><script src="${src}"></script>
<script>
  var got = [];
  var note = what => function (err, data) { got.push([what, err, data]); };
  var db = new restdb("${key}", { realtime: true${options} });
  for (const name of ["POST", "PUT", "PATCH", "DELETE", "boing", "CONNECT", "DISCONNECT", "RECONNECT"]) db.on(name, note(name));
  db.publish("boing", { name: "early" }, note("published"));
</script>`;

const sent = [
  { event: "post", collection: "customer", data: { _id: "1" } }, { event: "put", collection: "customer", data: "1" }, { event: "patch", collection: "customer", data: "2" },
  { event: "delete", collection: "customer", data: ["1"] }, { event: "other", data: 1 }, { event: "CONNECT", data: "not one" }, { event: "boing", data: { name: "value" } },
];
const heard = [
  ["POST", null, { event: "post", collection: "customer", data: { _id: "1" } }], ["PUT", null, { event: "put", collection: "customer", data: "1" }],
  ["PUT", null, { event: "put", collection: "customer", data: "2" }], ["DELETE", null, { event: "delete", collection: "customer", data: ["1"] }],
  ["boing", null, { event: "boing", data: { name: "value" } }],
];

// works goes through all the calls: got gives what came so far, evaluate runs code beside db.
async function works(got, publish) {
  await poll("CONNECT", async () => (await got()).some(([n]) => n === "CONNECT"));
  await poll("the early publish", async () => (await got()).some(([n]) => n === "published"));
  const [, err, answer] = (await got()).find(([n]) => n === "published");
  assert.equal(err, null);
  assert.equal(answer.message, "OK");
  const events = async () => (await got()).filter(([n, , d]) => n !== "CONNECT" && n !== "published" && d?.data?.name !== "early");
  await post(sent);
  await poll("all", async () => (await events()).length >= heard.length);
  assert.deepEqual(await events(), heard);
  assert.deepEqual((await got()).filter(([n]) => n === "CONNECT"), [["CONNECT", null, null]], "published ones do not count");
  await publish();
  await poll("its own", async () => (await events()).length > heard.length);
  assert.deepEqual((await events()).at(-1), ["boing", null, { event: "boing", data: { own: true } }]);
  await poll("the refusal", async () => (await got()).some(([n, e]) => n === "published" && e));
}

const own = () => {
  db.publish("boing", { own: true });
  db.publish("ping", {}, (err, data) => got.push(["published", `${err.status} ${err.code}`, data]));
};

test("a page as it stands, the script from another origin", { timeout: 30_000 }, async t => {
  const { page, addresses } = await open(t, example(base + "/rest/_jsapi.js"));
  await works(() => page.evaluate(() => got), () => page.evaluate(own));
  assert.ok(addresses.some(a => a.endsWith("/sdk/sluice.js")));
  assert.ok(!addresses.join().includes(key), "the key is in an address");
});

test("behind a path prefix, the plain form, a key that comes as a function call", { timeout: 30_000 }, async t => {
  const { page, addresses, url } = await open(t, example("/prefix/rest/_jsapi.js?plainjs=true").replace("new restdb(", "restdb("));
  await works(() => page.evaluate(() => got), () => page.evaluate(own));
  assert.ok(addresses.every(a => a === url + "/" || a.startsWith(url + "/prefix/")), addresses.join());
});

test("option url, where the script came from elsewhere", { timeout: 30_000 }, async t => {
  const { page } = await open(t, example("/prefix/sdk/restdb.js", `, url: "${base}/", logging: false`));
  await works(() => page.evaluate(() => got), () => page.evaluate(own));
});

test("a policy without the module: EventSource and fetch", { timeout: 30_000 }, async t => {
  const policy = `<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-inline' ${base}/rest/_jsapi.js">`;
  const { page, addresses } = await open(t, policy + example(base + "/rest/_jsapi.js"));
  await works(() => page.evaluate(() => got), () => page.evaluate(own));
  assert.ok(addresses.some(a => a.includes("frames=publish")));
});

test("new db, no realtime, a refusal", { timeout: 30_000 }, async t => {
  const { page } = await open(t, `<!doctype html><script src="${base}/rest/_jsapi.js"></script><script>
    var got = [], quiet = new db("${key}"), refused = new restdb("wrong", { realtime: true });
    quiet.on("CONNECT", () => got.push("quiet connect"));
    quiet.on("boing", () => got.push("quiet boing"));
    refused.on("DISCONNECT", (err, data) => got.push([err.status, err.message.length > 0, data]));
    quiet.publish("boing", 1, (err, answer) => got.push([err, answer.message]));
  </script>`);
  await poll("both", () => page.evaluate(() => got.length >= 2));
  const got = await page.evaluate(() => got);
  assert.deepEqual(got.sort(), [[401, true, null], [null, "OK"]].sort());
  assert.equal(await connections(base), 0);
});

test("cuts are told, and lose nothing", { timeout: 30_000 }, async t => {
  const proxy = new Proxy(base);
  await proxy.start();
  t.after(() => proxy.stop());
  const { page } = await open(t, example(proxy.url + "/rest/_jsapi.js"));
  await poll("CONNECT", () => page.evaluate(() => got.some(([n]) => n === "CONNECT")));
  await poll("early", () => page.evaluate(() => got.filter(([n]) => n === "boing").length === 1));
  proxy.cut();
  await post({ event: "boing", data: 2 });
  await poll("what was published meanwhile", () => page.evaluate(() => got.filter(([n]) => n === "boing").length === 2));
  const names = await poll("CONNECT again", () => page.evaluate(() => { // it comes behind what was missed
    const names = got.map(([n]) => n).filter(n => /CONNECT/.test(n));
    return names.filter(n => n === "CONNECT").length === 2 && names;
  }));
  assert.deepEqual(names, ["CONNECT", "DISCONNECT", "RECONNECT", "CONNECT"]);
});

for (const [what, options, address] of [
  ["a key", {}, `?apikey=${key}&frames=publish`],
  ["a token and a key", { jwt: jwt(60), "realtime-api-key": key }, /\?jwt=[\w.-]+&rt-apikey=sdk-/],
]) test(`Node's vm, without import: ${what}`, { timeout: 30_000 }, async () => {
  const context = inVM(), got = [];
  const db = new context.restdb(key, { realtime: true, url: base, ...options });
  opened.push(db);
  const plainly = (...list) => got.push(JSON.parse(JSON.stringify(list)));
  for (const name of ["POST", "PUT", "PATCH", "DELETE", "boing", "CONNECT", "DISCONNECT", "RECONNECT"]) db.on(name, (err, data) => plainly(name, err, data));
  db.publish("boing", { name: "early" }, (err, data) => plainly("published", err, data));
  await works(() => got, () => {
    db.publish("boing", { own: true });
    db.publish("ping", {}, (err, data) => plainly("published", `${err.status} ${err.code}`, data));
  });
  if (typeof address === "string") assert.equal(Source.all[0].url, base + "/realtime" + address);
  else assert.match(Source.all[0].url, address);
});

test("Node's vm: a stream that gave up is opened again from where it was", { timeout: 30_000 }, async () => {
  const clock = new Clock(), context = inVM(clock.world()), got = [];
  const db = new context.restdb(key, { realtime: true, url: base });
  opened.push(db);
  for (const name of ["boing", "CONNECT", "DISCONNECT"]) db.on(name, (err, data) => got.push(data ? data.data : name));
  await clock.until("CONNECT", () => got.includes("CONNECT"));
  await post({ event: "boing", data: 1 });
  await poll("the first", () => got.includes(1));
  Source.all[0].cut.abort();
  await poll("DISCONNECT", () => got.includes("DISCONNECT"));
  await post({ event: "boing", data: 2 }); // it is missed: the clock stands still, so no stream is opened before this is stored
  await clock.until("CONNECT again", () => got.filter(n => n === "CONNECT").length === 2);
  assert.deepEqual(got, ["CONNECT", 1, "DISCONNECT", 2, "CONNECT"], "CONNECT comes behind what was missed");
});
