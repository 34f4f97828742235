// Credentials in a cookie, in a real browser: an application with its own origin, other pages that it lists, and hostile ones.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, launchIn } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";

const key = "cookies-0123456789abcdef", secret = "a secret of the application for its tokens";
const sites = [];
let gateway, base, browser;

const base64 = v => Buffer.from(v).toString("base64url");

// token is one of the application that ends after this time.
function token(seconds) {
  const claims = { sub: "ann", exp: Math.floor(Date.now() / 1000) + seconds, realtime: { sub: ["*"], pub: ["*"], rest: ["*:*"] } };
  const text = `${base64('{"alg":"HS256","typ":"JWT"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

// site serves an application: it signs its visitor in and out, by a cookie that no script can read.
async function site(host) {
  const server = createServer((request, answer) => {
    const url = new URL(request.url, "http://x"), html = { "content-type": "text/html" };
    const cookie = (value, rest) => answer.writeHead(200, { ...html, "set-cookie": `session=${value}; Path=/; HttpOnly; ${rest}` }).end();
    switch (url.pathname) {
      case "/login": return cookie(token(Number(url.searchParams.get("seconds") ?? 600)), url.searchParams.get("attributes") ?? "SameSite=Lax");
      case "/logout": return cookie("", "Max-Age=0");
      case "/worker.js": return answer.writeHead(200, { "content-type": "text/javascript" }).end(worker);
      default: return answer.writeHead(200, html).end("<!doctype html><title>x</title>");
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  sites.push(server);
  return `http://${host}:${server.address().port}`;
}

// worker sends the requests of its pages itself, and counts those to the gateway. It leaves streams to the browser unless its
// address says otherwise: Chromium 156 shows a worker no Last-Event-ID, so a stream that it sends does not resume.
const worker = `let passed = 0;
addEventListener("install", () => skipWaiting());
addEventListener("activate", e => e.waitUntil(clients.claim()));
addEventListener("message", e => e.ports[0].postMessage(passed));
addEventListener("fetch", e => {
  if (e.request.headers.get("accept") === "text/event-stream" && !location.search) return;
  if (e.request.url.includes("/realtime")) passed++;
  e.respondWith(fetch(e.request));
});`;

// The application and hostileNear are of the gateway's site (127.0.0.1, whatever the port), the others of another one.
let app, partner, hostileNear, hostileFar;

before(async () => {
  [app, partner, hostileNear, hostileFar] = await Promise.all(["127.0.0.1", "localhost", "127.0.0.1", "localhost"].map(site));
  gateway = new Gateway({
    API_KEYS: JSON.stringify([{ name: "server", key, sub: ["*"], pub: ["*"] }]), JWT_SECRET: secret,
    CREDENTIAL_COOKIE: "session", CORS_ORIGINS: `${app},${partner}`,
  });
  base = await gateway.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await gateway?.remove();
  sites.forEach(s => s.close());
});

// liberal is a browser that sends cookies to other sites, as long as these allow it. By default no browser does.
async function liberal(t) {
  const folder = mkdtempSync(join(tmpdir(), "sluice-browser-"));
  mkdirSync(join(folder, "Default"));
  writeFileSync(join(folder, "Default", "Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }));
  const context = await launchIn(folder, { firefox: { firefoxUserPrefs: { "network.cookie.cookieBehavior": 0 } } });
  t.after(async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return context;
}

// visit opens a page of a site in a browser of its own, which has visited the application's login.
async function visit(t, url, login = {}) {
  const far = !url.startsWith("http://127.0.0.1:");
  const context = far ? await liberal(t) : await browser.newContext();
  if (!far) t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${app}/login?${new URLSearchParams(login)}`);
  await page.goto(`${url}/`);
  return page;
}

// signIn gives the browser a new session, whose token ends after some seconds.
const signIn = (page, seconds) => page.evaluate(url => fetch(url), `/login?seconds=${seconds}`);

// listen opens a bare EventSource, and collects what comes.
const listen = (page, name, credentials = true) => page.evaluate(([url, name, withCredentials]) => {
  window.got = [];
  window.seen = [];
  window.source = new EventSource(url, { withCredentials });
  source.onmessage = () => seen.push("init");
  source.onerror = () => source.readyState === EventSource.CLOSED && seen.push("closed");
  for (const notice of ["expired", "gap"]) source.addEventListener(notice, e => seen.push(`${notice} ${JSON.parse(e.data).data.reason}`));
  source.addEventListener(name, e => got.push(JSON.parse(e.data).data));
}, [`${base}/realtime?channels=${name}`, name, credentials]);

const seen = (page, what) => page.waitForFunction(what => window.seen.includes(what), what, { timeout: 15_000 });
const got = (page, count) => page.waitForFunction(count => window.got.length >= count, count, { timeout: 15_000 }).then(() => page.evaluate(() => window.got));

async function publish(event) {
  const r = await fetch(`${base}/realtime`, { method: "POST", body: JSON.stringify(event), headers: { "x-apikey": key, "content-type": "application/json" } });
  assert.equal(r.status, 200, await r.text());
}

// ask sends a request of a page with its cookies, and gives the status, or what the browser says.
const ask = (page, path, init = {}) => page.evaluate(([url, init]) => fetch(url, { credentials: "include", ...init }).then(r => r.type === "opaque" ? "opaque" : r.status, e => e.name), [base + path, init]);
const json = event => ({ method: "POST", body: JSON.stringify(event), headers: { "content-type": "application/json" } });

// socket opens one of /websocket and subscribes without an auth message: the type of the first answer, or "closed".
const socket = page => page.evaluate(url => new Promise(resolve => {
  const ws = new WebSocket(url);
  ws.onopen = () => ws.send('{"type":"subscribe","collection":"notes"}');
  ws.onmessage = e => { resolve(JSON.parse(e.data).event ?? e.data); ws.close(); };
  ws.onclose = () => resolve("closed");
}), `${base.replace("http", "ws")}/websocket`);

test("a page with a session needs neither a key nor a token", { timeout: 60_000 }, async t => {
  const page = await visit(t, app, { attributes: "SameSite=Strict" });
  assert.equal(await page.evaluate(() => document.cookie), "", "a script sees the cookie");
  await listen(page, "plain");
  await seen(page, "init");
  assert.equal(await ask(page, "/realtime", json({ event: "plain", data: 1 })), 200);
  assert.deepEqual(await got(page, 1), [1]);
  assert.equal(await ask(page, "/rest/notes", json({ text: "x" })), 201);
  assert.equal(await socket(page), "init");
  await listen(page, "plain", false);
  await seen(page, "closed"); // the browser sends no cookie, so the answer is a 401
});

test("a page of another site gets the cookie only with SameSite=None", { timeout: 60_000 }, async t => {
  const lax = await visit(t, partner, { attributes: "SameSite=Lax" });
  assert.equal(await ask(lax, "/realtime?until=caught-up"), 401);
  assert.equal(await ask(lax, "/realtime", json({ event: "far" })), 401);
  await listen(lax, "far");
  await seen(lax, "closed");
  const none = await visit(t, partner, { attributes: "SameSite=None; Secure" });
  assert.equal(await ask(none, "/realtime?until=caught-up"), 200);
  await listen(none, "far");
  await seen(none, "init");
  assert.equal(await ask(none, "/realtime", json({ event: "far", data: 1 })), 200);
  assert.deepEqual(await got(none, 1), [1]);
  assert.equal(await socket(none), "init");
});

// refused is how many changes by a cookie the gateways have refused.
async function refused() {
  const text = await (await fetch(`${gateway.direct}/metrics`)).text();
  return [...text.matchAll(/^sluice_refused_total\{code="cookie_origin_not_allowed".*\} (\d+)$/gm)].reduce((sum, m) => sum + Number(m[1]), 0);
}

for (const [name, url, attributes] of [["of the same site", () => hostileNear, "SameSite=Strict"], ["of another site", () => hostileFar, "SameSite=None; Secure"]]) {
  test(`a hostile page ${name} changes nothing and reads nothing`, { timeout: 60_000 }, async t => {
    const page = await visit(t, url(), { attributes });
    const event = { event: "hostile" }, text = JSON.stringify(event);
    assert.equal(await ask(page, "/realtime?until=caught-up"), "TypeError", "it reads");
    assert.equal(await ask(page, "/realtime", json(event)), "TypeError", "the preflight lets it in");
    assert.equal(await ask(page, "/realtime", { method: "POST", mode: "no-cors", body: text }), "opaque");
    assert.equal(await ask(page, "/realtime", { method: "POST", mode: "no-cors", body: text, headers: { "content-type": "application/x-www-form-urlencoded" } }), "opaque");
    assert.equal(await page.evaluate(([url, text]) => navigator.sendBeacon(url, text), [`${base}/realtime`, text]), true);
    assert.equal(await socket(page), "closed");
    await page.evaluate(([url, text]) => {
      const form = Object.assign(document.createElement("form"), { method: "post", action: url, enctype: "text/plain" });
      form.append(Object.assign(document.createElement("input"), { name: text.slice(0, -1) + ',"x":"', value: '"}' }));
      document.body.append(form);
      form.submit();
    }, [`${base}/realtime`, text]);
    await page.waitForURL(`${base}/realtime`);
    assert.match(await page.textContent("body"), /cookie_origin_not_allowed/);
    const past = await fetch(`${base}/realtime?channels=hostile&from=earliest&until=caught-up`, { headers: { "x-apikey": key, accept: "application/x-ndjson" } });
    assert.equal((await past.text()).trim(), "");
    if (!process.env.E2E_CLUSTER) await poll("refusals of its four changes and its socket", async () => await refused() >= 5);
  });
}

test("an EventSource lives on with a renewed cookie, and ends with a removed one", { timeout: 90_000 }, async t => {
  const page = await visit(t, app);
  await signIn(page, 6);
  await listen(page, "renewed");
  await seen(page, "init");
  const want = [];
  const more = async () => { want.push(want.length); await publish({ event: "renewed", data: want.at(-1) }); };
  await more();
  // As an application does whenever its page asks for something: the cookie is renewed long before the token ends.
  await signIn(page, 12);
  await seen(page, "expired exp");
  await more();
  assert.deepEqual(await got(page, want.length), want);
  await page.waitForFunction(() => window.seen.filter(s => s === "init").length === 2);
  await more();
  assert.deepEqual(await got(page, want.length), want);
  await page.evaluate(url => fetch(url), "/logout");
  await seen(page, "closed");
  await more();
  assert.deepEqual(await page.evaluate(() => window.got), want.slice(0, -1));
  assert.deepEqual(await page.evaluate(() => window.seen), ["init", "expired exp", "init", "expired exp", "closed"]);
  assert.equal(await ask(page, "/realtime", json({ event: "renewed" })), 401);
});

for (const [what, address] of [["leaves streams to the browser", "/worker.js"], ["sends streams too", "/worker.js?streams"]]) {
  test(`a page keeps its session with a service worker that ${what}`, { timeout: 90_000 }, async t => {
    const page = await visit(t, app);
    await page.evaluate(async address => {
      const claimed = new Promise(resolve => navigator.serviceWorker.addEventListener("controllerchange", resolve));
      await navigator.serviceWorker.register(address);
      await claimed;
    }, address);
    const name = `worker-${address.length}`, event = data => ({ event: name, data });
    await signIn(page, 6);
    await listen(page, name);
    await seen(page, "init");
    await publish(event(0));
    await signIn(page, 600);
    await seen(page, "expired exp");
    if (address.endsWith("streams")) await page.waitForFunction(() => window.seen.filter(s => s === "init").length === 2);
    await publish(event(1));
    assert.deepEqual(await got(page, 2), [0, 1]);
    assert.equal(await ask(page, "/realtime", json(event(2))), 200);
    assert.deepEqual(await got(page, 3), [0, 1, 2]);
    assert.equal(await page.evaluate(() => new Promise(resolve => {
      const channel = new MessageChannel();
      channel.port1.onmessage = e => resolve(e.data);
      navigator.serviceWorker.controller.postMessage("", [channel.port2]);
    })), address.endsWith("streams") ? 3 : 1, "requests to the gateway that the worker has sent");
    await page.evaluate(url => fetch(url), "/logout");
    assert.equal(await ask(page, "/realtime?until=caught-up"), 401);
  });
}
