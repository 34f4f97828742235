// The dashboard of a cluster: all gateways together, and each of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, goTo, key, live, publish, setUp, shot, visit } from "./dashboard.mjs";
import { gateways, poll } from "./gateway.mjs";

const gateway = setUp();

const whose = page => page.locator("#whose-text").textContent();
const figure = (page, title) => page.locator("section.chart").filter({ hasText: title }).locator(".figure").textContent();
const focused = page => page.evaluate(() => document.activeElement.id);

test("the administrator looks at each gateway of a cluster, and a gateway alone has none to choose", async t => {
  const page = await visit(t, admin, { provoked: true });
  await live(page, "stats-state");
  if (gateways === 1) {
    await poll("the figures", async () => await figure(page, "Connections") === "0");
    assert.ok(await page.locator("#gateways").isHidden());
    return assert.ok(await page.locator("#whose").isHidden());
  }
  // One at each gateway.
  const streams = await Promise.all(Array.from({ length: gateways }, () => fetch(gateway.direct() + "/realtime?channels=look", { headers: { "x-apikey": key } })));
  t.after(() => Promise.all(streams.map(s => s.body.cancel())));
  await poll("the sum", async () => await figure(page, "Connections") === String(gateways));
  assert.match(await whose(page), new RegExp(`^Sums of ${gateways} gateways\\. .*: of node-\\d\\.$`));
  for (const name of ["node-1", "node-3", "node-2"]) {
    const choose = page.locator("#gateways-rows").getByRole("button", { name });
    await choose.focus();
    await page.keyboard.press("Enter");
    assert.equal(await whose(page), `Figures and clients of gateway ${name}`);
    assert.equal(await focused(page), "overview-title");
    await live(page, "stats-state");
    await page.getByRole("heading", { name: `Clients of ${name}` }).waitFor();
    await page.getByText("1 connected").waitFor();
    assert.match(await page.locator("#clients-rows tr").textContent(), new RegExp(`at ${name}`));
    await poll("its figures", async () => await figure(page, "Connections") === "1");
    await page.locator("#gateways-rows [aria-current]", { hasText: name }).waitFor();
  }
  await shot(page, "gateway");
  await page.reload();
  await poll("the choice after a reload", async () => await whose(page) === "Figures and clients of gateway node-2");
  await page.getByText("1 connected").waitFor();
  await page.getByRole("button", { name: "Back to all" }).click();
  await page.getByText(`${gateways} connected`).waitFor();
  await poll("the sums again", async () => await figure(page, "Connections") === String(gateways));
  await page.getByRole("heading", { name: "Clients", exact: true }).waitFor();
  assert.match(await whose(page), /^Sums of/);
  await shot(page, "gateways");
});

// stats are figures of a gateway with the given number of connections.
const stats = (node, connections, more) => ({
  node, connections, time: new Date().toISOString(), version: "test", started: "2026-11-30T10:00:00.000Z", views: 0, events: 0, deliveries: 0, replayed: 0, gaps: 0, busy: 0,
  slow: 0, refused: 0, bytes: 0, lagging: 0, lag_ms: 0, goroutines: 9, draining: false, memory: { rss: 1, heap: 1 },
  connections_by_kind: { room_socket: { clear: connections - 3, tls: 1 }, stream: { http2: 2 } },
  log: { bytes: 0, events: 0, oldest: "", oldest_seconds: 0, newest: "0", retain_bytes: 1, retain_seconds: 1, damaged: 0, error: "" }, ...more,
});

// answers stands in for a cluster of a and b, of which b does what the test says.
async function answers(page, b) {
  const frame = of => ({ status: 200, contentType: "text/event-stream", body: `event: stats\ndata: ${JSON.stringify(of)}\n\n` });
  const node = name => ({
    node: name, self: name === "a", ready: true, away: false, twice: false, version: "test", level: 1, address: ":1", place: 7, behind: 0, newest: "1",
    connections: 1, started: "2026-11-30T10:00:00Z", seen_ms: 0, clock_off_ms: 0,
  });
  await page.route("**/admin/cluster", r => r.fulfill({ json: {
    node: "a", majority: true, journal: { leader: "n1", first: 1, last: 7, bytes: 1, wanted: 3, replicas: [] }, nodes: b.gone ? [node("a")] : [node("a"), node("b")],
  } }));
  await page.route("**/admin/connections?*", r => r.fulfill({ json: [], headers: { "x-total-count": "0", "x-match-count": "0" } }));
  await page.route("**/admin/stats*", r => {
    if (!r.request().url().includes("node=b")) return r.fulfill(frame(stats("a", 30, { cluster: { connections: 77, nodes: 1, missing: ["b"] } })));
    if (b.gone) return r.fulfill({ status: 404, json: { message: "there is no gateway \"b\" in the cluster now; there are a", code: "not_found" } });
    if (b.silent) return r.fulfill({ status: 503, headers: { "retry-after": "1" }, json: { message: "asking the gateway b about stats: it is silent", code: "unavailable" } });
    return r.fulfill(frame(stats("b", 5, { log: { ...stats().log, error: "the disk is full" } })));
  });
}

test("a gateway that does not answer shows no figures of another one", async t => {
  const page = await visit(t, null, { provoked: true });
  const b = { silent: true };
  await answers(page, b);
  await page.getByLabel("API key, token or admin key").fill(admin);
  await page.getByRole("button", { name: "Connect" }).click();
  await poll("the sum", async () => await figure(page, "Connections") === "77");
  await page.getByText("room socket 28, stream 2, over TLS 1, over HTTP/2 2", { exact: true }).waitFor();
  assert.equal(await whose(page), "Sums of 1 gateway, without b. Version, log, memory, filters and goroutines: of a.");
  await page.getByRole("button", { name: "b", exact: true }).click();
  await page.locator("#stats-state[data-state=waiting]").getByText("it is silent").waitFor();
  assert.equal(await figure(page, "Connections"), "–");
  assert.equal(await page.locator("#uptime").textContent(), "");
  await shot(page, "gateway-silent");
  b.silent = false;
  await poll("its figures", async () => await figure(page, "Connections") === "5");
  await page.getByText("Gateway b: The log has a fault: the disk is full").waitFor();
  await page.setViewportSize({ width: 390, height: 900 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than a phone");
  await shot(page, "gateway-phone");
  // It leaves the cluster, and comes back: nobody has to press a button.
  b.gone = true;
  await page.locator("#stats-state[data-state=refused]").getByText("there are a").waitFor();
  await page.reload();
  await page.locator("#stats-state[data-state=refused]").getByText("there are a").waitFor();
  assert.equal(await figure(page, "Connections"), "–");
  assert.ok(await page.locator("#banner").isHidden());
  b.gone = false;
  await poll("its figures again", async () => await figure(page, "Connections") === "5");
  // Without the administrator there is no choice.
  await page.getByRole("button", { name: "Forget the Admin key" }).click();
  assert.ok(await page.locator("#banner").isHidden());
  await page.getByLabel("API key, token or admin key").fill(admin);
  await page.getByRole("button", { name: "Connect" }).click();
  await poll("the sum again", async () => await figure(page, "Connections") === "77");
});

test("the page of gateways shows each in full, and leads to its figures", async t => {
  const page = await visit(t, admin, { provoked: true });
  await goTo(page, "Gateways");
  const cards = page.locator("#nodes-list > li");
  if (gateways === 1) {
    await page.getByText("It is alone. With CLUSTER_URL several gateways serve one log.").waitFor();
    assert.match(await cards.textContent(), /This gateway.*ready.*Version/);
    return assert.equal(await cards.getByRole("button").count(), 0);
  }
  await page.getByText(`${gateways} in this cluster`).waitFor();
  assert.equal(await cards.count(), gateways + 1);
  assert.match(await cards.filter({ hasText: "Journal" }).last().textContent(), /Led by.*Messages/);
  const button = cards.getByRole("button", { name: "Figures and clients of node-2" });
  await button.focus();
  const newest = () => cards.filter({ hasText: "node-2" }).textContent();
  const before = await newest();
  await publish({ event: "moves-the-journal" });
  await poll("new figures", async () => await newest() !== before);
  assert.ok(await button.evaluate(b => b === document.activeElement), "the focus stays");
  await page.keyboard.press("Enter");
  await poll("its figures", async () => await whose(page) === "Figures and clients of gateway node-2");
});
