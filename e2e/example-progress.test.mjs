// examples/progress: a job and its bar, whatever happens to the page, the network and the server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, poll, Site, state } from "./example-site.mjs";

const s = example("progress", ["python3", "server.py"], { PAUSE: "25" });

const done = page => page.locator("#bar").evaluate(bar => bar.value);
const further = async (page, than) => poll("more progress", async () => await done(page) > than);
const post = async (path, body) => {
  const r = await fetch(`${s.site.url}/${path}`, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  return [r.status, await r.json()];
};

async function start(context, limit) {
  const page = await s.open(context);
  await page.getByLabel("Up to").selectOption(limit);
  await page.getByRole("button", { name: "Start" }).click();
  await page.waitForURL(/job=/);
  await further(page, 0);
  return [page, new URL(page.url()).search];
}

test("a reload, a second tab, a lost network, and a server that restarts: the result is right", { timeout: 60_000 }, async () => {
  const context = await s.browser.newContext();
  const [page, address] = await start(context, "1,000,000");
  await page.reload();
  await further(page, 0.05);
  const second = await s.open(await s.browser.newContext(), `/${address}`);
  await further(second, 0.05);
  await context.setOffline(true);
  await state(page, "No connection");
  const before = await done(second);
  await s.site.stop();
  await s.site.start();
  await further(second, before);
  await context.setOffline(false);
  const rival = new Site("progress", s.site.command, s.site.env); // goes on with the job too: one of both must give in
  await rival.start();
  for (const p of [page, second]) {
    await state(p, "Done");
    assert.equal(await p.locator("#result").textContent(), "78,498 prime numbers up to 1,000,000. The largest is 999,983.");
    assert.equal(await done(p), 1);
  }
  await rival.stop();
  await page.reload();
  await state(page, "Done");
  const entries = await s.events(`stream=job-${address.split("=")[1]}`);
  assert.equal(entries.filter(e => e.event === "result").length, 1);
  const tested = entries.filter(e => e.event === "progress").map(e => e.data.tested);
  assert.ok(tested.length > 5 && tested.length < 100, `${tested.length} reports`); // of 200 parts
  assert.deepEqual(tested, [...new Set(tested)].sort((a, b) => a - b));
  assert.equal(s.site.log + rival.log, "");
  await Promise.all([page, second].map(p => p.context().close()));
});

test("a job that is cancelled, and one that fails", { timeout: 60_000 }, async () => {
  const context = await s.browser.newContext();
  const [page, address] = await start(context, "5,000,000");
  await page.getByRole("button", { name: "Cancel" }).click();
  await state(page, "Cancelled");
  await page.reload();
  await state(page, "Cancelled");
  assert.equal((await s.events(`stream=job-${address.split("=")[1]}`)).at(-1).event, "cancelled");

  const [other, second] = await start(context, "5,000,000");
  const stream = `job-${second.split("=")[1]}`;
  await fetch(`${s.gateway.url}/realtime`, { method: "POST", headers: { "x-apikey": s.key, "content-type": "application/json" }, body: JSON.stringify({ event: "failed", collection: stream, stream, data: "The disk is full" }) });
  await state(other, "The disk is full");
  assert.equal(await other.getByRole("button", { name: "Cancel" }).count(), 0);
  await context.close();
});

test("what is no limit and no job is refused", { timeout: 60_000 }, async () => {
  for (const limit of [undefined, "1000000", 999, 5_000_001, 1e6 + 0.5, true]) assert.equal((await post("start", { limit }))[0], 400);
  assert.equal((await post("cancel", { id: "../x" }))[0], 404);
  const r = await fetch(`${s.site.url}/token?id=x`);
  assert.equal(r.status, 404);
});
