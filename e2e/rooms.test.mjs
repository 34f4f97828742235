// The examples of rooms, each in two windows, from a fresh start.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { basename, extname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";

const folder = join(import.meta.dirname, "..", "examples", "rooms");
const kinds = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
let gateway, site, browser, base;
const faults = [];

before(async () => {
  gateway = new Gateway({ ROOM_CREATE: "open", ROOM_CREATE_RATE: "10000", ROOM_CREATE_RATE_ALL: "10000", ADMIN_KEY: "rooms-0123456789abcdef" });
  await gateway.start();
  site = createServer((q, r) => {
    const name = basename(new URL(q.url, "http://x").pathname);
    try {
      r.writeHead(200, { "content-type": kinds[extname(name)] }).end(readFileSync(join(folder, name)));
    } catch {
      r.writeHead(204).end();
    }
  });
  await once(site.listen(0, "127.0.0.1"), "listening");
  base = `http://127.0.0.1:${site.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  site?.close();
  await gateway?.remove();
  assert.deepEqual(faults, []);
});

// windows opens an example in two: the second by the address that the first has then.
async function windows(name) {
  const first = await (await browser.newContext()).newPage();
  first.on("pageerror", e => faults.push(e.message));
  await first.goto(`${base}/${name}.html?gateway=${gateway.url}`);
  await first.waitForURL(/room=/);
  const second = await (await browser.newContext()).newPage();
  second.on("pageerror", e => faults.push(e.message));
  await second.goto(first.url());
  await second.getByText("another window").waitFor();
  return [first, second];
}

test("the counter counts every click once, compacted or not, also across a restart", { timeout: 60_000 }, async () => {
  const [a, b] = await windows("counter");
  const count = page => page.locator("#count").textContent();
  for (let i = 0; i < 25; i++) {
    await a.click("#more");
    await b.click("#more");
  }
  await poll("50 in both", async () => await count(a) === "50" && await count(b) === "50");
  await gateway.stop("SIGKILL");
  await gateway.start();
  await a.click("#more");
  await poll("51 in both", async () => await count(a) === "51" && await count(b) === "51", 20_000);
  const late = await (await browser.newContext()).newPage();
  await late.goto(a.url());
  await poll("51 for who comes late", async () => await count(late) === "51");
});

test("cursors come and go", { timeout: 60_000 }, async () => {
  const [a, b] = await windows("cursors");
  const box = await a.locator("#field").boundingBox();
  await a.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.75);
  await poll("the pointer of the other", () => b.evaluate(() => document.querySelector("#field i")?.style.left.startsWith("2")));
  const room = new URL(a.url()).searchParams.get("room");
  const present = async () => (await (await fetch(`${gateway.url}/room/${room}/presence`)).json()).length;
  await poll("two present", async () => await present() === 2);
  await a.close();
  await poll("one left", async () => await present() === 1 && await b.locator("#field i").count() === 0);
});

test("the whiteboard shows strokes to all, and who comes late", { timeout: 60_000 }, async () => {
  const [a, b] = await windows("whiteboard");
  const strokes = page => page.locator("#board").getAttribute("data-strokes");
  const box = await a.locator("#board").boundingBox();
  for (const page of [a, b]) {
    await page.mouse.move(box.x + 50, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + 150, box.y + 90, { steps: 5 });
    await page.mouse.up();
  }
  await poll("two strokes in both", async () => await strokes(a) === "2" && await strokes(b) === "2");
  if (process.env.SCREENSHOTS) await a.screenshot({ path: join(process.env.SCREENSHOTS, "whiteboard.png") });
  await b.click("#clear");
  await poll("none in both", async () => await strokes(a) === "0" && await strokes(b) === "0");
});
