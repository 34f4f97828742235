// An application of examples/auth in a real browser: a session cookie, a bare EventSource, and a logout that ends it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";
import { freePort, reachable } from "./nginx.mjs";

const key = "auth-example-0123456789", admin = "admin-0123456789abcdef0123456789", secret = "a secret of at least 32 bytes, for the example";
const folder = join(import.meta.dirname, "..", "examples", "auth", "php");
const dir = mkdtempSync(join(tmpdir(), "sluice-auth-"));
let gateway, app, site, browser;

before(async () => {
  const port = await freePort();
  site = `http://127.0.0.1:${port}`;
  gateway = new Gateway({
    API_KEYS: JSON.stringify([{ name: "server", key, pub: ["*"] }]), ADMIN_KEY: admin,
    AUTH_URL: `${site}/realtime-auth`, AUTH_SECRET: secret, CORS_ORIGINS: site,
  });
  await gateway.start();
  app = spawn("php", ["-d", `session.save_path=${dir}`, "-S", `127.0.0.1:${port}`, "index.php"], {
    cwd: folder, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, GATEWAY: gateway.url, AUTH_SECRET: secret, ADMIN_KEY: admin },
  });
  let log = "";
  app.stderr.on("data", chunk => log += chunk);
  await Promise.race([once(app, "spawn"), once(app, "error").then(([e]) => { throw Error(`${e.message}: make deps installs php-cli`); })]);
  await poll(() => `PHP: ${log}`, () => reachable(port));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (app?.pid && app.exitCode === null) {
    app.kill();
    await once(app, "exit");
  }
  await gateway?.remove();
  rmSync(dir, { recursive: true, force: true });
});

async function publish(event, data) {
  const r = await fetch(`${gateway.url}/realtime`, {
    method: "POST", body: JSON.stringify({ event, data }), headers: { "x-apikey": key, "content-type": "application/json" },
  });
  assert.equal(r.status, 200, await r.text());
}

async function login(context, name, password = name) {
  const page = await context.newPage();
  await page.goto(site);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  return page;
}

const state = (page, text) => page.getByRole("status").filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
const events = page => page.locator("#events li").allTextContents();

test("a user sees her events, also across a kill of the gateway, until she logs out in another window", { timeout: 120_000 }, async () => {
  const context = await browser.newContext();
  const first = await login(context, "ann");
  await state(first, "live");
  await publish("inbox-43", "for Bob");
  await publish("news", "<b>for all</b>");
  await publish("inbox-42", "for Ann");
  await poll("both events", async () => (await events(first)).length === 2);
  assert.deepEqual(await events(first), ["inbox-42: for Ann", "news: <b>for all</b>"]);

  await gateway.stop("SIGKILL");
  await gateway.start();
  await publish("news", "after the kill");
  await poll("the event after the kill", async () => (await events(first))[0] === "news: after the kill", 30_000);

  const second = await context.newPage();
  await second.goto(site);
  await state(second, "live");
  await second.getByRole("button", { name: "Log out" }).click();
  await second.getByRole("heading", { name: "Log in" }).waitFor();
  await state(first, "closed, it ended \\(revoked\\)");
  await publish("inbox-42", "too late");
  assert.equal((await events(first))[0], "news: after the kill");
  await first.reload();
  await first.getByRole("heading", { name: "Log in" }).waitFor();
  await context.close();
});

test("a wrong password gets no session, and a user without the right no stream", { timeout: 120_000 }, async () => {
  const context = await browser.newContext();
  const stranger = await login(context, "ann", "bob");
  await stranger.getByRole("alert").filter({ hasText: "is wrong" }).waitFor();
  const bob = await login(context, "bob");
  await bob.getByRole("heading", { name: "Hello, Bob" }).waitFor();
  await state(bob, "closed");
  await context.close();
});
