// examples/table: one collection in two pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, poll, settles, state } from "./example-site.mjs";

const s = example("table", ["node", "server.mjs"]);

const rows = page => page.locator("#rows tr").evaluateAll(all => all.map(tr => [...tr.cells].slice(0, 3).map(td => td.textContent.replace(/[−+]/g, "")).join(" | ")));
const shows = (page, ...want) => settles(() => rows(page), want);
const both = (pages, ...want) => Promise.all(pages.map(p => shows(p, ...want)));

async function open() {
  const page = await s.open(await s.browser.newContext());
  await state(page, "Connected");
  return page;
}

async function edit(page, name, changes) {
  if (name) await page.getByRole("button", { name: `Edit ${name}` }).click();
  for (const [label, text] of Object.entries(changes)) {
    const field = page.getByLabel(label, { exact: true });
    await field.fill(text);
    while (await field.inputValue() !== text) { // in Firefox, fill adds to what a number field has
      await field.evaluate(e => e.select());
      await field.pressSequentially(text);
    }
  }
}
const save = (page, name = "Save") => page.getByRole("button", { name, exact: true }).click();
const rest = async (method, path, body) => {
  const r = await fetch(`${s.gateway.url}/rest/product${path}`, { method, body: body && JSON.stringify(body), headers: { "x-apikey": s.key, "content-type": "application/json" } });
  assert.ok(r.ok, await r.clone().text());
};

test("two pages show the same after each change, also after a lost network", { timeout: 60_000 }, async () => {
  const [a, b] = await Promise.all([open(), open()]);
  await both([a, b], "Coffee, 1 kg | 18.50 | 12", "Green tea | 6.90 | 40", "Honey of the forest | 8.25 | 7");
  await a.getByRole("button", { name: "Add" }).click();
  await edit(a, "", { Name: "<b>Milk</b>", Price: "1.2" });
  await save(a);
  await both([a, b], "<b>Milk</b> | 1.20 | 0", "Coffee, 1 kg | 18.50 | 12", "Green tea | 6.90 | 40", "Honey of the forest | 8.25 | 7");
  for (let i = 0; i < 3; i++) for (const page of [a, b]) await page.getByRole("button", { name: "One more of Green tea" }).click();
  await b.getByRole("button", { name: "Delete Honey" }).click();
  await both([a, b], "<b>Milk</b> | 1.20 | 0", "Coffee, 1 kg | 18.50 | 12", "Green tea | 6.90 | 46");

  await a.context().setOffline(true);
  await state(a, "No connection");
  await rest("PATCH", "/tea", { price: 7 });
  await rest("DELETE", "/coffee");
  await rest("POST", "", { _id: "zebra", name: "Zebra", price: 100, stock: 1 });
  await shows(b, "<b>Milk</b> | 1.20 | 0", "Green tea | 7.00 | 46", "Zebra | 100.00 | 1");
  await a.context().setOffline(false);
  await both([a, b], "<b>Milk</b> | 1.20 | 0", "Green tea | 7.00 | 46", "Zebra | 100.00 | 1");
  await a.reload();
  await shows(a, "<b>Milk</b> | 1.20 | 0", "Green tea | 7.00 | 46", "Zebra | 100.00 | 1");
  await rest("DELETE", "/*?q={}");
  await both([a, b]);
  await Promise.all([a, b].map(p => p.context().close()));
});

test("two who edit one document: other fields are merged, the same one is a conflict", { timeout: 60_000 }, async () => {
  await rest("DELETE", "/*?q={}");
  await rest("POST", "", { _id: "jam", name: "Jam", price: 3, stock: 5 });
  const [a, b] = await Promise.all([open(), open()]);
  await both([a, b], "Jam | 3.00 | 5");
  await edit(a, "Jam", { Name: "Plum jam" });
  await edit(b, "Jam", { Price: "4" });
  await save(b);
  await poll("the price of the other", async () => await a.getByLabel("Price").inputValue() === "4");
  await save(a);
  await both([a, b], "Plum jam | 4.00 | 5");

  await edit(a, "Plum jam", { Price: "5" });
  await edit(b, "Plum jam", { Price: "6" });
  await save(b);
  await a.getByRole("alert").filter({ hasText: "Somebody changed this to “6” meanwhile." }).waitFor();
  assert.equal(await a.getByLabel("Price").inputValue(), "5");
  await save(a, "Save mine");
  await both([a, b], "Plum jam | 5.00 | 5");

  await edit(a, "Plum jam", { Price: "8" }); // without its events, a looks once more before it saves
  await a.route("**/realtime*", route => route.abort());
  await a.route(/q=/, async route => {
    await rest("PATCH", "/jam", { price: 7 });
    await a.unroute(/q=/);
    await route.continue();
  });
  await save(a);
  await a.getByRole("alert").filter({ hasText: "Somebody changed this to “7” meanwhile." }).waitFor();
  await shows(b, "Plum jam | 7.00 | 5");
  await rest("DELETE", "/jam");
  await a.getByRole("alert").filter({ hasText: "Somebody deleted this meanwhile." }).waitFor();
  await Promise.all([a, b].map(p => p.context().close()));
});

test("a page reaches no other collection", { timeout: 60_000 }, async () => {
  const { token } = await (await fetch(`${s.site.url}/session`)).json();
  const get = async path => (await fetch(s.gateway.url + path, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.deepEqual([await get("/rest/product"), await get("/rest/user"), await get("/realtime?channels=*:user")], [200, 403, 403]);
});
