// The dashboard: what the administrator can do, and how it fits a phone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, copied, goTo, key, live, publish, rows, setUp, shot, signIn, visit } from "./dashboard.mjs";
import { gateways, poll } from "./gateway.mjs";

const gateway = setUp();

test("the administrator sees charts and clients, and cuts one", async t => {
  const page = await visit(t, admin, { provoked: true });
  await live(page, "stats-state");
  await page.getByRole("heading", { name: "Events a second" }).waitFor();
  const path = page.locator("section.chart").filter({ hasText: "Events a second" }).locator("path.chart-line");
  await publish({ event: "counted", data: 1 });
  await poll("two points", async () => ((await path.getAttribute("d")) ?? "").split("L").length >= 3);
  const client = await fetch(gateway.url("/realtime?channels=cut-me"), { headers: { "x-apikey": key } });
  const ended = (async () => {
    for await (const _ of client.body);
  })().catch(() => {});
  const row = page.locator("#clients-rows tr").filter({ hasText: "cut-me" });
  await row.waitFor();
  assert.match(await row.textContent(), /web.*127\.0\.0\.1/);
  await row.getByRole("button", { name: /^Cut/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  assert.equal(await row.count(), 1);
  await row.getByRole("button", { name: /^Cut/ }).click();
  await shot(page, "cut");
  await page.getByRole("dialog").getByRole("button", { name: "Cut" }).click();
  await ended;
  await page.getByText("web was cut.").waitFor();
  await poll("the row to go", async () => await row.count() === 0);
  await shot(page, "overview");
});

test("the audit trail shows what was done and what was refused, live", async t => {
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Audit" }).click();
  await live(page, "audit-state");
  const entry = text => page.locator("#audit-rows tr:visible").filter({ hasText: text });
  const call = (method, path, body, headers = { "x-apikey": admin }) => fetch(gateway.url(path), { method, body, headers });
  await call("POST", "/admin/users", JSON.stringify({ email: "<b>ann</b>@example.org", password: "long enough" }));
  await call("POST", "/admin/users", JSON.stringify({ email: "ann@example.org", password: "long enough" }));
  await entry("user.create").first().waitFor();
  assert.match(await entry("ann@example.org").first().textContent(), /user\.create.*ok.*admin.*127\.0\.0\.1.*ann@example\.org/);
  for (let n = 0; n < 50 * gateways; n++) await call("GET", "/admin/keys", undefined, { "x-apikey": `guess-${n}` });
  await entry("invalid_admin_key").first().waitFor();
  await entry("too_many_tries").first().waitFor();
  assert.equal((await call("GET", "/admin/keys")).status, 200, "the right key goes on");
  await page.getByLabel("Filter the audit trail").fill("ANN@");
  await poll("the filter", async () => await entry("").count() === await entry("ann@example.org").count());
  await page.getByLabel("Filter the audit trail").fill("");
  await call("DELETE", "/admin/users/ann@example.org");
  await entry("user.delete").waitFor();
  assert.match(await page.locator("#audit-rows tr").first().textContent(), /user\.delete/);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `the page is wider than ${width}`);
      await shot(page, `audit-${scheme}-${width}`);
    }
  }
});

test("a key is made, used, changed and revoked", async t => {
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Keys" }).click();
  const fixed = page.locator("#keys-list > li").filter({ hasText: "web" });
  await fixed.getByText("read-only").waitFor();
  assert.equal(await fixed.getByRole("button", { name: /^(Change|Revoke)/ }).count(), 0);

  await page.getByRole("button", { name: "New key" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name", { exact: true }).fill("mobile");
  await form.getByLabel("Collection or event name").first().fill("customer");
  await form.getByLabel("Subscribe PUT customer").check();
  await form.getByLabel("Publish PUT customer").check();
  await form.getByLabel("Subscribe: other patterns").fill("a:b:c");
  await form.getByRole("button", { name: "Create" }).click();
  await form.locator(".answer.bad").filter({ hasText: /./ }).waitFor();
  await form.getByLabel("Subscribe: other patterns").fill("chat-*:lobby");
  await form.getByLabel("Documents").fill("GET:customer, POST:*");
  await shot(page, "key-form");
  await form.getByRole("button", { name: "Create" }).click();

  const made = await page.getByLabel("API key of mobile").inputValue();
  for (let n = 0; n < 3; n++) await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Copy the key" }).click();
  assert.equal(await copied(page), made);
  await shot(page, "key-shown");
  assert.equal((await publish({ event: "put", collection: "customer" }, made)).status, 200);
  assert.equal((await publish({ event: "boing" }, made)).status, 403);
  await page.getByRole("button", { name: "Use it in this page" }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await poll("the key to leave the page", async () => !(await page.content()).includes(made));
  await live(page);

  // Its stream follows a change within a second.
  await page.getByRole("button", { name: "Change mobile" }).click();
  assert.equal(await form.getByLabel("Subscribe: other patterns").inputValue(), "chat-*:lobby");
  assert.equal(await form.getByLabel("Documents").inputValue(), "GET:customer, POST:*");
  assert.ok(await form.getByLabel("Subscribe PUT customer").isChecked());
  await form.getByLabel("Collection or event name").nth(1).fill("boing");
  await form.getByLabel("Subscribe custom boing").check();
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("mobile was saved").waitFor();
  await page.getByRole("link", { name: "Events" }).click();
  await page.locator(".notice.expired").filter({ hasText: "has changed" }).waitFor();
  await page.locator(".notice.live").filter({ hasText: "Connected again" }).waitFor();
  await publish({ event: "boing", data: "after the change" });
  await rows(page).filter({ hasText: "after the change" }).waitFor();

  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByRole("button", { name: "Revoke mobile" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("mobile was revoked").waitFor();
  await page.locator("#events-state[data-state=refused]").waitFor();
  await page.getByRole("link", { name: "Events" }).click();
  await page.locator(".notice.refused").waitFor();
  assert.equal((await publish({ event: "put", collection: "customer" }, made)).status, 401);
  await shot(page, "revoked");
});

test("on a phone in the dark nothing is wider than the screen", async t => {
  await publish({ event: "wide", stream: "s".repeat(128), data: "w".repeat(2000) });
  const page = await visit(t, null, { provoked: true, viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  const fits = async what => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is too wide`);
  await fits("the first page");
  await shot(page, "phone-visitor");
  await signIn(page, key);
  await live(page);
  await rows(page).filter({ hasText: "wide" }).locator("summary").click();
  await fits("the list");
  await shot(page, "phone-events");
  await page.getByRole("button", { name: "Add a key" }).click();
  await signIn(page, admin);
  await live(page, "stats-state");
  await goTo(page, "Overview");
  await page.locator("#clients-rows tr").first().waitFor();
  await fits("the overview");
  await shot(page, "phone-overview");
  await goTo(page, "Keys");
  await page.getByRole("button", { name: "New key" }).click();
  await fits("the form of a key");
  await shot(page, "phone-key");
  assert.ok(await page.getByRole("dialog").evaluate(d => d.scrollWidth <= d.clientWidth), "the dialog scrolls sideways");
  await page.keyboard.press("Escape");
  await fits("the keys");
});
