// The gateway in a real browser: a bare EventSource, through a restart, and the page at /.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway } from "./gateway.mjs";

const key = "browser-0123456789abcdef";
let gateway, base, browser;

async function publish(event) {
  const r = await fetch(base + "/realtime", {
    method: "POST", body: JSON.stringify(event), headers: { "x-apikey": key, "content-type": "application/json" },
  });
  assert.equal(r.status, 200);
  return (await r.json()).id;
}

before(async () => {
  gateway = new Gateway({ API_KEYS: JSON.stringify([{ name: "browser", key, sub: ["*"], pub: ["*"] }]) });
  base = await gateway.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await gateway?.remove();
});

test("a bare EventSource of another origin misses nothing across kill -9", { timeout: 60_000 }, async () => {
  const site = createServer((_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<title>x</title>"));
  await once(site.listen(0, "127.0.0.1"), "listening");
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate(url => {
    window.got = [];
    window.gaps = 0;
    window.stream = new EventSource(url);
    stream.onmessage = () => { window.ready = true; };
    stream.addEventListener("n", e => got.push([e.lastEventId, JSON.parse(e.data).data]));
    stream.addEventListener("gap", () => gaps++);
  }, `${base}/realtime?apikey=${key}&channels=n`);
  await page.waitForFunction(() => window.ready);
  const ids = [];
  for (let n = 0; n < 50; n++) ids.push([await publish({ event: "n", data: n }), n]);
  await gateway.stop("SIGKILL");
  await gateway.start();
  for (let n = 50; n < 100; n++) ids.push([await publish({ event: "n", data: n }), n]);
  await page.waitForFunction(() => got.length >= 100, null, { timeout: 30_000 });
  assert.deepEqual(await page.evaluate(() => got), ids);
  assert.equal(await page.evaluate(() => gaps), 0);
  await page.close();
  site.close();
});

test("the page at / connects, publishes and shows the event", { timeout: 60_000 }, async () => {
  const page = await browser.newPage();
  const faults = [];
  page.on("pageerror", e => faults.push(e.message));
  page.on("console", m => m.type() === "error" && faults.push(m.text()));
  await page.goto(`${base}/#apikey=${key}`);
  await page.getByText("live", { exact: true }).waitFor();
  assert.equal(new URL(page.url()).hash, "", "the key stays in the address");
  await page.getByLabel("Event", { exact: true }).fill("boing");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByRole("listitem").filter({ hasText: 'boing{"from":"this page"}' }).waitFor();
  assert.match(await page.locator("#curl-publish").textContent(), /boing/);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  assert.deepEqual(faults, []);
  await page.close();
});
