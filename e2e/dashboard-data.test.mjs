// The dashboard: what the gateway stores, an event's way, groups of clients, and an hour of charts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, key, publish, setUp, shot, signIn, visit } from "./dashboard.mjs";
import { poll } from "./gateway.mjs";

const gateway = setUp({ settings: { ROOM_CREATE: "open" } });
const call = (method, path, body, headers = { "x-apikey": admin }) => fetch(gateway.url(path), { method, body, headers });
const root = { authorization: `Apikey ${admin}` };

test("the gateway stores something of each kind", async () => {
  for (let n = 0; n < 150; n++) await publish({ event: "goal", stream: `match-${n % 3}`, data: { n, big: 1 } });
  const { key: docs } = await (await call("POST", "/admin/keys", JSON.stringify({ name: "docs", rest: ["*"] }))).json();
  for (let n = 0; n < 60; n++)
    assert.equal((await call("POST", "/rest/customer", JSON.stringify({ name: `customer ${n}`, age: n }), { "x-apikey": docs, "content-type": "application/json" })).status, 201);
  assert.ok((await call("PUT", "/db/shop", undefined, root)).ok);
  for (let n = 0; n < 5; n++)
    assert.equal((await call("POST", "/events", JSON.stringify({ data: { n }, meta: { db: "shop", ns: n % 2 ? "eu" : "", stream: `cart ${n % 2}`, type: "added" } }), root)).status, 201);
});

const open = async (page, hash) => {
  await page.evaluate(to => { location.hash = to; }, hash);
};
const listed = (page, text) => page.locator("#data-place tbody tr").filter({ hasText: text });
const allow = page => page.getByRole("switch", { name: "Allow changes" }).check();
const sure = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();

const newRoom = async () => (await (await call("POST", "/new", undefined, {})).json()).room;
const push = (room, key, value) => call("POST", `/room/${room}/send`, JSON.stringify({ type: "push", action: { type: "append" }, key, value }), { "content-type": "application/json" });

// fits looks at a page in both schemes and on a phone.
async function fits(page, name) {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than ${width}`);
      await shot(page, `data-${name}-${scheme}-${width}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

test("the admin key alone shows events, and the way of one", async t => {
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await page.locator("#events-state[data-state=live]").waitFor();
  assert.equal(await page.locator("#publish").isVisible(), false);
  await page.locator("#event-list > li.event").first().waitFor();
  await fits(page, "events");
  const { id } = await publish({ event: "seen", stream: "way", data: { a: 1 } });
  const row = page.locator("#event-list > li.event").filter({ hasText: "seen" }).first();
  await row.waitFor();
  await row.locator("summary").click();
  await row.getByRole("link", { name: "Its way" }).click();
  await page.getByText(`Event ${id}`).waitFor();
  const way = page.locator(".way");
  assert.match(await way.textContent(), /seen.*in the stream way.*web.*key.*by the door realtime/);
  assert.match(await way.textContent(), /1 connection wanted it/);
  await fits(page, "way");
  assert.equal(await page.getByRole("button", { name: "Retract it" }).isVisible(), false);
  await allow(page);
  await page.getByRole("button", { name: "Retract it" }).click();
  await sure(page, "Retract");
  await page.getByText("The event was retracted.").waitFor();
  await poll("the event to be gone", async () => /retracted or has expired/.test(await way.textContent()));
  await open(page, "stored/event/12345");
  await page.getByText("There is no event with this id here", { exact: false }).or(page.getByText("there is no event with this id here", { exact: false })).first().waitFor();
});

test("streams are listed, and the events of one are paged", async t => {
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Data" }).click();
  await listed(page, "match-1").waitFor();
  await fits(page, "streams");
  await page.getByLabel("Filter streams of /realtime").fill("match-2");
  await poll("the filter", async () => await page.locator("#data-place tbody tr").count() === 1);
  await page.getByRole("link", { name: "match-2" }).click();
  await poll("50 events", async () => await page.locator(".rows > li").count() === 50);
  await fits(page, "stream");
  await page.goBack();
  await listed(page, "match-2").waitFor();
  await page.getByLabel("Filter streams of /realtime").fill("nothing");
  await page.getByText("None matches.").waitFor();
});

test("documents are found, paged, changed and deleted after a switch was turned", async t => {
  const page = await visit(t, admin, { provoked: true });
  await open(page, "stored/documents");
  await listed(page, "customer").waitFor();
  await fits(page, "collections");
  await page.getByRole("link", { name: "customer" }).click();
  await page.getByText("60 match, 1 to 50 are shown").waitFor();
  await page.getByRole("button", { name: "Next page" }).click();
  await page.getByText("60 match, 51 to 60 are shown").waitFor();
  await page.getByLabel("Query (empty: all)").fill('{"age":{"$lt":2}}');
  await page.keyboard.press("Enter");
  await page.getByText("2 match, 1 to 2 are shown").waitFor();
  const one = page.locator(".rows > li").filter({ hasText: "customer 1" });
  await one.locator("summary").click();
  assert.equal(await one.getByRole("button", { name: /^Delete/ }).isVisible(), false);
  await allow(page);
  await fits(page, "documents");
  await one.getByRole("button", { name: /^Change/ }).click();
  await page.getByRole("dialog").getByLabel("Fields as JSON").fill('{"age":99}');
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("1 match, 1 to 1 are shown").waitFor();
  const zero = page.locator(".rows > li").filter({ hasText: "customer 0" });
  await zero.locator("summary").click();
  await zero.getByRole("button", { name: /^Delete/ }).click();
  await sure(page, "Delete");
  await page.getByText("No document matches.").waitFor();
  await page.getByLabel("Query (empty: all)").fill("{");
  await page.keyboard.press("Enter");
  await page.getByText("Not JSON").first().waitFor();
  await page.reload();
  assert.equal(await page.getByRole("switch", { name: "Allow changes" }).isChecked(), false, "the switch is off at each load");
});

test("databases are listed, with their streams and events", async t => {
  const page = await visit(t, admin, { provoked: true });
  await open(page, "stored/databases");
  await listed(page, "shop").waitFor();
  await fits(page, "databases");
  await page.getByRole("link", { name: "shop" }).click();
  await listed(page, "cart 1").waitFor();
  await page.getByLabel("Namespace").selectOption("eu");
  await poll("the namespace", async () => await page.locator("#data-place tbody tr").count() === 1);
  await fits(page, "database");
  await page.getByRole("link", { name: "cart 1" }).click();
  await page.locator(".rows > li").first().waitFor();
  assert.equal(await page.locator(".rows > li").count(), 2);
  await allow(page);
  await page.locator(".rows > li").first().locator("summary").click();
  await page.getByRole("button", { name: /^Drop the event/ }).click();
  await sure(page, "Drop");
  await poll("the event to go", async () => await page.locator(".rows > li").count() === 1);
  await page.goBack();
  await page.getByRole("button", { name: "Drop the stream cart 1" }).click();
  await sure(page, "Drop");
  await poll("the stream to go", async () => await listed(page, "cart 1").count() === 0);
});

test("rooms are listed, looked into and dropped", async t => {
  const page = await visit(t, admin, { provoked: true });
  const room = await newRoom();
  for (let n = 0; n < 3; n++) assert.equal((await push(room, `key ${n % 2}`, { n })).status, 200);
  await open(page, "stored/rooms");
  await listed(page, room).waitFor();
  await fits(page, "rooms");
  await page.getByRole("link", { name: room }).click();
  await poll("three messages", async () => await page.locator(".rows > li").count() === 3);
  await page.locator(".rows > li").first().locator("summary").click();
  await fits(page, "room");
  await allow(page);
  await page.getByRole("button", { name: "Drop the room" }).click();
  await sure(page, "Drop");
  await page.getByText("There is no room.").waitFor();
});

test("clients are grouped by key and by channel, and a group opens into its clients", async t => {
  const streams = [];
  for (let n = 0; n < 12; n++) {
    const abort = new AbortController();
    streams.push(abort);
    await fetch(gateway.url(`/realtime?channels=group-${n % 3}`), { headers: { "x-apikey": key }, signal: abort.signal });
  }
  t.after(() => streams.forEach(s => s.abort()));
  const page = await visit(t, admin, { provoked: true });
  await page.locator("#clients-rows tr").first().waitFor();
  await page.locator("#group-channel + span").click();
  const group = name => page.locator("#groups-rows tr").filter({ hasText: name });
  await group("group-1").waitFor();
  assert.match(await group("group-1").textContent(), /group-1 4––/);
  await page.locator("#groups-table").scrollIntoViewIfNeeded();
  await fits(page, "groups");
  await page.locator("#group-key + span").click();
  await group("web").waitFor();
  assert.match(await group("web").textContent(), /web key12/);
  await page.locator("#group-channel").focus();
  await page.keyboard.press("Space");
  await group("group-2").getByRole("button").focus();
  await page.keyboard.press("Enter");
  await poll("its clients", async () => await page.locator("#clients-rows tr").count() === 4);
  assert.equal(await page.locator("#clients-rows tr").filter({ hasText: "group-2" }).count(), 4);
  await page.getByRole("button", { name: /^All groups/ }).click();
  await group("group-0").waitFor();
});

test("charts have the time before the page was opened", async t => {
  await poll("a few samples", async () => (await (await call("GET", "/admin/stats/history")).json()).samples.length >= 5);
  const page = await visit(t, null, { provoked: true });
  let figures = 0;
  await page.route("**/admin/stats", async route => { // one frame of figures, and then nothing: all other points are from before
    if (route.request().headers().accept !== "text/event-stream") return route.continue();
    if (figures++) return route.abort();
    const stats = await (await call("GET", "/admin/stats")).text();
    return route.fulfill({ contentType: "text/event-stream", body: `event: stats\ndata: ${stats}\n\n` });
  });
  await signIn(page, admin);
  const chart = page.locator("section.chart").filter({ hasText: "Memory" });
  await poll("points from before", async () => ((await chart.locator("path.chart-line").getAttribute("d")) ?? "").split("L").length >= 5);
  await page.locator("#span-3600 + span").click();
  await chart.getByText("60 min ago").waitFor();
  await fits(page, "overview");
});

test("a number that jumps each second draws its highest values, not a solid block", async t => {
  const page = await visit(t, null, { provoked: true });
  await page.route("**/admin/stats/history", async route => {
    const samples = Array.from({ length: 295 }, (_, i) => ({ age: 300 - i, seconds: 1, connections: 0, events: 0, deliveries: 0, lag_ms: 0, log_bytes: 0, rss: i % 2 * 2 ** 30 }));
    await route.fulfill({ json: { time: new Date().toISOString(), samples } });
  });
  await signIn(page, admin);
  const line = page.locator("section.chart").filter({ hasText: "Memory" }).locator("path.chart-line");
  await page.locator("#span-300 + span").click();
  const heights = async () => [...((await line.getAttribute("d")) ?? "").matchAll(/[ML][\d.-]+ ([\d.]+)/g)].map(m => Number(m[1]));
  await poll("the samples", async () => (await heights()).length > 90);
  const drawn = await heights();
  assert.ok(drawn.length <= 103, `${drawn.length} points`);
  assert.ok(drawn.slice(1, 90).every(y => y < 1), `the line leaves the top: ${drawn}`);
});

test("ages count by the second", async t => {
  const page = await visit(t, key);
  await publish({ event: "aged" });
  const time = page.locator("#event-list > li.event").filter({ hasText: "aged" }).first().locator("time");
  await time.waitFor();
  const seen = new Set();
  await poll("three ages in a row", async () => {
    seen.add(await time.textContent());
    return ["1 s ago", "2 s ago", "3 s ago"].every(age => seen.has(age));
  });
});
