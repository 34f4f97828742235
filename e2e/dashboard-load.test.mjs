// The live list under a thousand events a second: what it draws is bounded, however many come and however fast the machine is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { admin, key, live, setUp, shot, visit } from "./dashboard.mjs";
import { poll } from "./gateway.mjs";

const gateway = setUp();

// flood publishes a thousand events a second until the signal.
async function flood(signal) {
  const began = Date.now();
  for (let n = 0; !signal.aborted; await sleep(10)) {
    const lines = [];
    for (const due = Date.now() - began; n < due && lines.length < 500; n++) lines.push(JSON.stringify({ event: "put", collection: "customer", data: { n, text: "x".repeat(100) } }));
    if (lines.length) await fetch(gateway.url("/realtime"), { method: "POST", body: lines.join("\n"), headers: { "x-apikey": key, "content-type": "application/x-ndjson" } });
  }
}

const receivedOf = async page => Number((await page.locator("#received").textContent()).match(/^[\d,]+/)[0].replaceAll(",", ""));

test("a thousand events a second are counted, and drawn as far as one can see", async t => {
  const page = await visit(t, key);
  await live(page);
  const over = new AbortController();
  const flooded = flood(over.signal);
  t.after(async () => {
    over.abort();
    await flooded;
  });
  await poll("the flood", async () => await receivedOf(page) > 2500);
  const seen = await page.evaluate(() => new Promise(done => {
    const list = document.getElementById("event-list");
    const drawings = [];
    let rows = 0;
    const observer = new MutationObserver(records => {
      drawings.push({ at: performance.now(), made: records.reduce((sum, r) => sum + r.addedNodes.length, 0) });
      rows = Math.max(rows, list.children.length);
      if (drawings.length < 20) return;
      observer.disconnect();
      done({ drawings, rows });
    });
    observer.observe(list, { childList: true });
  }));
  assert.ok(seen.rows <= 200, `${seen.rows} rows`);
  for (const { made } of seen.drawings) assert.ok(made <= 60, `${made} rows were made at once`);
  const took = seen.drawings.at(-1).at - seen.drawings[0].at;
  assert.ok((seen.drawings.length - 1) / took * 1000 <= 10, `${seen.drawings.length} drawings in ${took} ms`);
  assert.match(await page.locator("#received").textContent(), /received, \d+ are shown and [\d,]+ more are in memory/);

  // Pause holds from the next frame on, while more come.
  const before = await page.evaluate(() => new Promise(done => {
    document.getElementById("pause").click();
    const pressed = document.getElementById("pause").getAttribute("aria-pressed");
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const list = document.getElementById("event-list");
      window.fresh = 0;
      new MutationObserver(records => {
        for (const r of records) if (r.addedNodes.length && !r.nextSibling === false) window.fresh += r.addedNodes.length;
      }).observe(list, { childList: true });
      done({ pressed, first: list.firstElementChild.textContent });
    }));
  }));
  assert.equal(before.pressed, "true");
  const paused = await receivedOf(page);
  await poll("more events", async () => await receivedOf(page) > paused + 2000);
  assert.equal(await page.locator("#event-list > li").first().locator(".data").textContent(), /\{.*\}/.exec(before.first)[0]);
  assert.equal(await page.evaluate(() => window.fresh), 0, "rows came on top");
  await page.getByRole("button", { name: /^Resume \([\d,]+ waiting\)/ }).click();
  await poll("the newest", async () => await page.locator("#event-list > li").first().locator(".data").textContent() !== /\{.*\}/.exec(before.first)[0]);

  // Who reads an event keeps it.
  await page.evaluate(() => document.querySelector("#event-list details").open = true);
  const opened = await page.locator("#event-list details[open] .data").textContent();
  await page.getByRole("button", { name: /newer: show the newest/ }).waitFor();
  const reading = await receivedOf(page);
  await poll("more events", async () => await receivedOf(page) > reading + 1000);
  assert.equal(await page.locator("#event-list details[open] .data").textContent(), opened);
  await page.getByRole("button", { name: /newer: show the newest/ }).click();
  assert.equal(await page.locator("#event-list details[open]").count(), 0);
});

test("the slowest client is the first of many, and the lag leads to it", async t => {
  const over = new AbortController();
  t.after(() => over.abort());
  const connect = channels => fetch(gateway.url(`/realtime?channels=${channels}`), { headers: { "x-apikey": key }, signal: over.signal });
  const answers = [await connect("slow")]; // it reads nothing
  for (let n = 0; n < 120; n++) answers.push(await connect(`hay-${n}`));
  t.after(() => answers.length = 0); // Node ends the connection of an answer that nobody holds
  const event = JSON.stringify({ event: "slow", data: "x".repeat(60_000) });
  for (let n = 0; n < 40; n++) await fetch(gateway.url("/realtime"), { method: "POST", body: Array(15).fill(event).join("\n"), headers: { "x-apikey": key, "content-type": "application/x-ndjson" } });
  const page = await visit(t, admin, { provoked: true });
  const first = page.locator("#clients-rows tr").first();
  const slow = first.getByText("slow", { exact: true });
  await slow.waitFor();
  await page.getByRole("radio", { name: "Slowest first", checked: true }).waitFor();
  await page.locator("#order-newest + span").click();
  await first.getByText("hay-119", { exact: true }).waitFor();
  await page.locator("#group-key + span").click();
  await poll("no order of groups", async () => !await page.locator("#order").isVisible());
  const lead = page.getByRole("button", { name: "1 behind" });
  await lead.focus();
  await page.keyboard.press("Enter");
  await slow.waitFor();
  assert.match(await first.locator(".hot").textContent(), /^\d.* s$/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "clients-title");
  for (const [name, checked] of [["Each", true], ["By key", false], ["Slowest first", true], ["Newest first", false]])
    assert.equal(await page.getByRole("radio", { name, exact: true }).isChecked(), checked, name);
  await shot(page, "slowest");
});
