// The link that a first start prints opens the dashboard with both of its keys.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browsers.mjs";

let folder, gateway, browser, link;

// The gateway has no settings but its port: the keys are its own.
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "first-start-"));
  gateway = spawn(resolve("../bin/sluice"), [], { cwd: folder, env: { PATH: process.env.PATH, ADDR: "127.0.0.1:0" }, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const chunk of gateway.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk;
    if ((link = /^ {2}(http:\/\/\S+\/#\S+)$/m.exec(said)?.[1])) break;
  }
  gateway.stdout.resume();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  const ended = new Promise(done => gateway.once("exit", done));
  gateway.kill();
  await ended;
  await rm(folder, { recursive: true });
});

test("the link opens everything, and the keys leave the address at once", async t => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage(), base = new URL(link).origin, faults = [], asked = [];
  const keys = [...new URLSearchParams(new URL(link).hash.slice(1)).values()];
  assert.equal(keys.length, 2);
  page.setDefaultTimeout(10_000);
  page.on("pageerror", e => faults.push(e.stack));
  page.on("console", m => m.type() === "error" && faults.push(m.text()));
  page.on("request", r => asked.push(r));
  await page.goto(link);
  await page.waitForFunction(() => location.hash === "");
  assert.equal(page.url(), base + "/");
  await page.locator("#credentials").getByText(/^API key/).waitFor();
  await page.locator("#credentials").getByText(/^Admin key/).waitFor();
  await page.locator("#overview").waitFor();
  await page.evaluate(() => { location.hash = "events"; });
  await page.locator("#events-state[data-state=live]").waitFor();
  const published = await fetch(base + "/realtime", { method: "POST", body: '{"event":"hello","data":"world"}', headers: { "x-apikey": keys[0], "content-type": "application/json" } });
  assert.equal(published.status, 200);
  await page.locator("#event-list > li.event").filter({ hasText: "hello" }).waitFor();
  await page.reload(); // the tab remembers both
  await page.locator("#credentials").getByText(/^Admin key/).waitFor();
  assert.deepEqual(faults, []);
  for (const r of asked) {
    assert.ok(!keys.some(k => r.url().split("#")[0].includes(k)), "a key went out in an address");
    assert.ok(!keys.some(k => (r.headers().referer ?? "").includes(k)), "a key went out as a referrer");
  }
});

test("the page of the README shows events", async t => {
  const readme = await readFile("../README.md", "utf8"), { host, hash } = new URL(link), key = new URLSearchParams(hash.slice(1)).get("apikey");
  const shown = /^```html\n(.*?)^```$/ms.exec(readme)[1];
  assert.match(shown, /127\.0\.0\.1:8080.*apikey=KEY/);
  await writeFile(join(folder, "live.html"), shown.replace("127.0.0.1:8080", host).replace("KEY", key));
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const open = page.waitForResponse(r => r.url().startsWith(`http://${host}/realtime`));
  await page.goto("file://" + join(folder, "live.html"));
  assert.equal((await open).status(), 200);
  for (const event of [{ event: "hello", data: "world" }, { event: "put", collection: "customer", data: { id: 7 } }]) {
    const { status } = await fetch(`http://${host}/realtime`, { method: "POST", body: JSON.stringify(event), headers: { "x-apikey": key, "content-type": "application/json" } });
    assert.equal(status, 200);
  }
  await page.locator("li").nth(1).waitFor();
  assert.deepEqual(await page.locator("li").allTextContents(), ['hello: {"event":"hello","data":"world"}', 'put: {"event":"put","collection":"customer","data":{"id":7}}']);
});

test("with an admin key that has ended, the API key still opens the events", async t => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(link.replace(/admin=.*/, "admin=0123456789abcdef-ended"));
  await page.locator("#credentials").getByText(/^API key/).waitFor();
  await page.getByText("this is not ADMIN_KEY").waitFor();
  assert.equal(await page.locator("#credentials").getByText(/^Admin key/).count(), 0);
});
