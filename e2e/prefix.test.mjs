// The dashboard below a path of nginx, which takes the path off before it asks the gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, copied, goTo, key, live, publish, rows, setUp, visit } from "./dashboard.mjs";

// strict is a policy that a careful proxy adds to the gateway's own. The browser holds the page to both.
const strict = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
  "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"].join("; ");

// Nothing but /sluice/ leads to the gateway. Of headers, the proxy adds the policy alone.
const gateway = setUp({ front: upstream => listen => `server {
  listen ${listen};
  location /sluice/ { proxy_pass ${upstream}/; add_header Content-Security-Policy "${strict}" always; }
  location / { return 404; }
}`, path: "/sluice" });

test("a visitor sees the page with its style, and lines to paste", async t => {
  const page = await visit(t);
  await page.getByRole("heading", { name: /Servers POST events/ }).waitFor();
  assert.ok(gateway.url("/").endsWith("/sluice/"));
  assert.equal(await page.locator("#try-watch").textContent(), `curl -N -H 'x-apikey: KEY' ${gateway.url("/realtime")}`);
  assert.ok((await page.locator("#try-publish").textContent()).endsWith(` ${gateway.url("/realtime")}`));
  assert.match(await page.locator("#try-page").textContent(), new RegExp(`EventSource\\("${gateway.url("/realtime")}\\?`));
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).marginTop), "0px", "the style sheet is in force");
});

test("events come live, and one is published", async t => {
  const page = await visit(t, key);
  await live(page);
  await publish({ event: "below-a-path", data: 1 });
  const row = rows(page).filter({ hasText: "below-a-path" });
  await row.waitFor();
  await row.locator("summary").click();
  await row.getByRole("button", { name: "Copy as curl" }).click();
  assert.ok((await copied(page)).endsWith(` ${gateway.url("/realtime")}`));
  await page.getByLabel("Event", { exact: true }).fill("from-the-page");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText(/^Stored as \d+$/).waitFor();
  await rows(page).filter({ hasText: "from-the-page" }).waitFor();
  await page.reload();
  await live(page);
});

test("the administrator's views are live, and make a key", async t => {
  const page = await visit(t, admin, { provoked: true });
  await live(page, "stats-state");
  await page.getByRole("link", { name: "Keys" }).click();
  await page.locator("#keys-list > li").filter({ hasText: "web" }).waitFor();
  await page.getByRole("button", { name: "New key" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name", { exact: true }).fill("below");
  await form.getByRole("button", { name: "Create" }).click();
  await page.getByLabel("API key of below").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.locator("#keys-list > li").filter({ hasText: "below" }).waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  await live(page, "audit-state");
  await page.locator("#audit-rows tr:visible").filter({ hasText: "key.create" }).first().waitFor();
  for (const [title, id] of [["Tokens", "token-form"], ["Revocations", "revocations"], ["Users", "users"], ["Accounts", "accounts"], ["Gateways", "nodes-list"], ["Backups", "backups"]]) {
    await goTo(page, title);
    await page.locator(`#${id}`).waitFor();
  }
  await page.getByRole("button", { name: "Make a backup" }).click();
  await page.getByText("A backup was made").waitFor();
  await goTo(page, "Tokens");
  await page.getByLabel("Of the key").selectOption("web");
  await page.getByRole("button", { name: "Make the token" }).click();
  await page.locator("#token-made pre").first().waitFor();
  const lines = await page.locator("#token-made pre").allTextContents();
  assert.ok(lines.length >= 3 && lines.every(text => text.includes(gateway.url("/realtime")) || text.includes(`connect("${gateway.url("")}"`)), lines.join("\n"));
  const targets = await page.locator("a[href]").evaluateAll(all => all.map(a => a.href));
  assert.ok(targets.length > 3);
  for (const target of targets) assert.ok(target.startsWith(gateway.url("/")), target);
});

test("a page below the path uses the SDK and RestDB's file from there", async t => {
  const page = await visit(t);
  const got = await page.evaluate(async ([root, apikey]) => {
    const { connect } = await import(`${root}/sdk/sluice.js`);
    const rt = connect(root, { apikey, channels: ["sdk"], shared: false });
    const came = new Promise(resolve => rt.on("sdk", e => resolve(e.data)));
    await new Promise(resolve => rt.on("connect", resolve));
    await rt.publish("sdk", 7);
    const data = await came;
    rt.close();
    return data;
  }, [gateway.url(""), key]);
  assert.equal(got, 7);
  for (const path of ["/rest/_jsapi.js", "/rest/_jsapi.doc", "/sdk/restdb.js"]) assert.equal((await fetch(gateway.url(path))).status, 200, path);
  assert.equal((await fetch(new URL("/ui/main.js", gateway.url("/")))).status, 404, "the root of the host is nginx's own");
});

test("the path without its slash leads to the page", async t => {
  const page = await visit(t);
  await page.goto(gateway.url(""));
  await page.getByRole("heading", { name: /Servers POST events/ }).waitFor();
  assert.equal(page.url(), gateway.url("/"));
});
