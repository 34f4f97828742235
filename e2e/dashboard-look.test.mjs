// How every page of the dashboard looks and what a screen reader finds, at two widths, in light and dark.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { admin, goTo, key, live, publish, setUp, shot, signIn, visit } from "./dashboard.mjs";

const gateway = setUp();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const call = async (method, path, body, headers = { "x-apikey": admin }) => {
  const r = await fetch(gateway.url(path), { method, body: body && JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } });
  assert.ok(r.ok, `${method} ${path}: ${r.status}`);
  return r;
};
const root = { Authorization: `Apikey ${admin}` };

let filled;

// fill makes one of everything, and something that is long.
async function fill() {
  const long = "a-name-that-is-longer-than-a-phone-is-wide-".repeat(2);
  await publish({ event: "hello", collection: "customer", data: { text: long } });
  await call("POST", "/admin/keys", { name: `mobile ${long}`, sub: ["PUT:customer", "chat-*"], pub: ["chat-*"], rest: ["GET:customer"] });
  await call("POST", "/admin/keys", { name: "empty" });
  await call("POST", "/admin/users", { email: "ann@example.org", password: "long enough", sub: ["goal"] });
  await call("POST", "/admin/users", { email: `${long.slice(0, 60)}@example.org`, password: "long enough" });
  await call("POST", "/admin/revocations", { jti: `${long}1` });
  await call("POST", "/admin/revocations", { subject: "42" });
  await call("POST", "/admin/backup");
  await call("POST", "/accounts/ann@example.org", { name: "Ann", password: "long enough" }, root);
  await call("PUT", "/db/bank", undefined, root);
  await call("POST", "/db/bank/grant?username=ann@example.org&role=reader", undefined, root);
  await fetch(gateway.url("/admin/keys"), { headers: { "x-apikey": "wrong" } });
}

// faults are what does not fit, has no name or is too small to hit, and what axe finds.
async function faults(page) {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
    const dialog = document.querySelector("dialog[open]");
    const seen = [...(dialog ?? document).querySelectorAll("a[href], button, input, select, textarea, summary, [role=button]")].filter(e => e.checkVisibility() && !e.closest(".skip"));
    for (const e of seen) {
      const target = e.matches("[type=radio], [type=checkbox]") ? e.closest("label") ?? e : e;
      const { width, height, left, right } = target.getBoundingClientRect();
      const what = `${e.tagName} ${e.id || e.getAttribute("aria-label") || e.textContent.trim().slice(0, 30)}`;
      // axe takes a placeholder for a name, which is gone once something is entered.
      if (e.matches("input, select, textarea") && !e.getAttribute("aria-label") && ![...e.labels].some(l => l.textContent.trim())) found.push(`${what} has no label`);
      if (width < 23.9 || height < 23.9) found.push(`${what} is ${width.toFixed(1)} × ${height.toFixed(1)}`);
      if (!e.closest(".scroll, pre") && (left < -1 || right > innerWidth + 1)) found.push(`${what} is cut off`);
    }
    for (const e of (dialog ?? document).querySelectorAll(".scroll, dialog"))
      if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1) found.push(`${e.id || e.tagName} scrolls sideways`);
    // What is clipped and cannot be scrolled to is lost.
    for (const e of (dialog ?? document.querySelector("main")).querySelectorAll("h2, h3, p, dt, dd, th, td, button, a, label > span, .chip")) {
      if (!e.checkVisibility() || e.closest(".offscreen, thead, .line, .scroll, .plot")) continue;
      if (e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).display !== "inline") found.push(`${e.tagName} "${e.textContent.trim().slice(0, 40)}" is clipped`);
    }
    const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return [...found, ...violations.map(v => `${v.id}: ${v.nodes.map(n => n.html.slice(0, 160)).join(" | ")}`)];
  });
}

// pages have what shows that they are filled.
const pages = {
  Overview: "#clients-rows tr", Events: "#event-list > li", Keys: "#keys-list > li", Tokens: "#token-form", Revocations: "#revocations-rows tr",
  Users: "#users-list > li", Accounts: "#accounts-list > li", Gateways: "#nodes-list > li", Backups: "#backups-rows tr", Audit: "#audit-rows tr",
};
// further is what a page shows after a click.
const further = {
  Keys: [["form", page => page.getByRole("button", { name: "New key" })], ["revoke", page => page.getByRole("button", { name: "Revoke empty" })]],
  Users: [["form", page => page.getByRole("button", { name: "New user" })]],
  Accounts: [["form", page => page.getByRole("button", { name: "New account" })], ["databases", page => page.getByRole("button", { name: "Databases ann@example.org" }), "dialog select[aria-label='Role in bank']"]],
  Tokens: [["made", page => page.getByRole("button", { name: "Make the token" }), "#token-made .card"]],
};

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`every page in ${colorScheme} at ${width}: nothing cut off, nothing without a name, axe finds nothing`, async t => {
      await (filled ??= fill());
      const all = [];
      const look = async name => {
        for (const fault of await faults(page)) all.push(`${name}: ${fault}`);
        await shot(page, `${name}-${colorScheme}-${width}`);
      };
      const page = await visit(t, null, { provoked: true, colorScheme, viewport: { width, height: 900 } });
      await look("Visitor");
      await signIn(page, key);
      await live(page);
      await page.getByRole("button", { name: "Add a key" }).click();
      await signIn(page, admin);
      await live(page, "stats-state");
      if (width < 1000) {
        await page.locator("#menu").click();
        await look("Menu");
      }
      for (const [title, filled] of Object.entries(pages)) {
        await goTo(page, title);
        await page.locator(filled).first().waitFor();
        await look(title);
        for (const [name, button, shown = "dialog[open]"] of further[title] ?? []) {
          if (name === "made") await page.getByLabel("Of the key").selectOption({ label: "web" });
          await button(page).click();
          await page.locator(shown).waitFor();
          await look(`${title}-${name}`);
          await page.keyboard.press("Escape");
        }
      }
      assert.deepEqual(all, []);
    });
  }
}
