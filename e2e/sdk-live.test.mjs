// The SDK's notice "live" comes behind all that was missed, whoever has another idea of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../public/sdk/sluice.js";
import { launch } from "./browsers.mjs";
import { poll } from "./gateway.mjs";
import { frame, init, script, streams } from "./sdk-tools.mjs";

const live = 'event: live\ndata: {"event":"live","data":{}}\n\n', ping = "event: ping\ndata: 2026-01-01T00:00:00.000Z\n\n";

test("a ping while the past still comes is no live", { timeout: 20_000 }, async t => {
  const { seen, url } = await script(t, streams(init(1) + frame(2, "2")), streams(init(2) + frame(3, "3") + ping + frame(4, "4") + live, false));
  const rt = connect(url), list = [];
  t.after(() => rt.close());
  rt.on("a", e => list.push(e.data));
  for (const notice of ["connect", "live", "disconnect"]) rt.on(notice, () => list.push(notice));
  await poll("live again", () => list.filter(e => e === "live").length > 1);
  assert.deepEqual(list, ["connect", "live", "2", "disconnect", "connect", "3", "4", "live"]);
  assert.match(seen[1].url, /from=now/);
});

test("a tab that lost the lead while it hung says nothing of live to the others", { timeout: 60_000 }, async t => {
  const source = readFileSync(join(import.meta.dirname, "..", "public", "sdk", "sluice.js"));
  const leads = []; // the answers to those that led, one after another
  const site = createServer((request, answer) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    if (pathname === "/sluice.js") return answer.writeHead(200, { "content-type": "text/javascript" }).end(source);
    if (pathname !== "/realtime") return answer.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
    const last = request.headers["last-event-id"] ?? 1;
    streams(init(last), false)(answer);
    if (searchParams.get("until")) answer.end(`id: ${last}\nevent: end\ndata: {}\n\n`);
    else leads.push(answer);
  });
  await once(site.listen(0, "127.0.0.1"), "listening");
  const browser = await launch();
  t.after(async () => {
    await browser.close();
    site.closeAllConnections();
    site.close();
  });
  const context = await browser.newContext(), pages = [];
  const list = page => page.evaluate(() => list);
  for (let i = 0; i < 3; i++) {
    const page = await context.newPage();
    page.on("dialog", () => {}); // it stays open
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    await page.evaluate(async () => {
      const { connect } = await import("/sluice.js");
      window.list = [];
      window.rt = connect("");
      rt.on("a", e => list.push(e.data));
      for (const notice of ["connect", "live", "reconnect"]) rt.on(notice, () => list.push(notice));
    });
    await poll("live", async () => (await list(page)).includes("live"));
    pages.push(page);
  }
  // The first one hangs behind event 2 with 3 unread. Another takes the lead, and is about to read 3 and 4.
  await pages[0].evaluate(() => { rt.on("a", e => { if (e.data === "2") alert("hung"); }); });
  const hung = once(pages[0], "dialog");
  leads[0].write(frame(2, "2") + frame(3, "3"));
  const [dialog] = await hung;
  await poll("another that leads", () => leads[1], 20_000);
  for (const page of pages.slice(1)) await poll("a connect", async () => (await list(page)).at(-1) === "connect");
  await dialog.dismiss();
  await poll("what the first had unread", async () => (await Promise.all(pages.map(list))).filter(l => l.includes("3")).length > 1);
  leads[1].write(frame(3, "3") + frame(4, "4") + live);
  for (const page of pages.slice(1)) {
    await poll("live", async () => (await list(page)).filter(e => e === "live").length > 1);
    await poll("all", async () => (await list(page)).includes("4"));
    assert.deepEqual(await list(page), ["connect", "live", "2", "reconnect", "connect", "3", "4", "live"]);
  }
});
