// examples/sensors: 1,000 events a second, drawn less often than they come, and none missing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, poll, settles, state } from "./example-site.mjs";

const s = example("sensors", ["node", "server.mjs"]);

const figure = async (page, id) => Number((await page.locator(`#${id}`).textContent()).replace(/[^\d.]/g, "") || NaN);
const above = (page, id, n) => poll(`${id} above ${n}`, async () => await figure(page, id) > n, 30_000);
// ink is how many points of each chart are drawn.
const ink = page => page.locator("canvas").evaluateAll(all => all.map(c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v).length));
const labels = page => page.locator(".chart b").allTextContents();

test("all values arrive and are drawn, also over a restart of the gateway and a lost network", { timeout: 60_000 }, async () => {
  const context = await s.browser.newContext(), page = await s.open(context);
  await state(page, "Connected");
  await above(page, "rate", 0);
  await settles(async () => (await ink(page)).filter(n => n > 100).length, 20);
  await s.gateway.stop("SIGKILL");
  await state(page, "No connection");
  await s.gateway.start();
  await state(page, "Connected");
  await above(page, "total", await figure(page, "total") + 1000);
  await context.setOffline(true);
  await state(page, "No connection");
  await context.setOffline(false);
  await state(page, "Connected");
  await above(page, "total", await figure(page, "total") + 1000);
  assert.equal(await figure(page, "missing"), 0);
  assert.ok(await figure(page, "frames") < await figure(page, "rate") / 2);

  await page.getByRole("button", { name: "Pause" }).click(); // the page answers, however much arrives
  const [total, shown] = [await figure(page, "total"), await labels(page)];
  await above(page, "total", total + 500);
  assert.deepEqual(await labels(page), shown);
  await page.getByRole("button", { name: "Go on" }).click();
  await poll("new values", async () => (await labels(page)).join() !== shown.join());
  await page.reload(); // the charts are full at once, of what the log has
  await above(page, "total", total);
  assert.equal(await figure(page, "missing"), 0);
  await context.close();
});

test("the log has each value of each sensor once, in order, 50 for each second", { timeout: 60_000 }, async () => {
  const sensors = new Map();
  for (const e of await s.events("")) {
    if (!sensors.has(e.collection)) sensors.set(e.collection, []);
    sensors.get(e.collection).push(e);
  }
  assert.equal(sensors.size, 20);
  for (const [name, events] of sensors) {
    assert.deepEqual(events.map(e => e.data.n), events.map((_, i) => i), name);
    assert.ok(events.every(({ data }, i) => data.at - events[0].data.at === i * 20), name);
  }
});
