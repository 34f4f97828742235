// The dashboard in trouble: somebody else changes the same, clicks come twice, answers are lost, lists are long or cannot be read.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { test } from "node:test";
import { admin, key, live, publish, rows, setUp, shot, visit } from "./dashboard.mjs";
import { poll } from "./gateway.mjs";

const gateway = setUp();

async function api(method, path, body) {
  const r = await fetch(gateway.url(path), { method, body: body && JSON.stringify(body), headers: { "x-apikey": admin } });
  return r.status === 204 ? null : r.json();
}
const made = async name => (await api("GET", "/admin/keys")).filter(k => k.name === name);
const stored = async (text, type) => (await (await fetch(gateway.url(`/realtime?from=earliest&until=caught-up&types=${type}`), {
  headers: { "x-apikey": key, accept: "application/x-ndjson" },
})).text()).split("\n").filter(line => line.includes(text)).length;

async function openKeys(t) {
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("read-only").first().waitFor();
  return page;
}

test("a form that was opened before somebody else's change does not undo it", async t => {
  const { id } = await api("POST", "/admin/keys", { name: "shared", sub: ["news", "orders"], pub: ["news"], rate: 5 });
  const page = await openKeys(t);
  const now = () => api("GET", `/admin/keys/${id}`);
  const form = page.getByRole("dialog", { name: "Change shared" });
  const conflict = page.getByRole("dialog", { name: "shared has changed" });
  const openForm = async () => {
    await page.getByRole("button", { name: "Change shared" }).click();
    await form.waitFor();
  };
  await openForm();
  await api("PATCH", `/admin/keys/${id}`, { sub: ["news"], rate: 7 });
  await form.getByLabel("Subscribe: other patterns").fill("chat:lobby");
  await form.getByLabel("Documents").fill("GET:customer");
  await form.getByRole("button", { name: "Save" }).click();
  await conflict.waitFor();
  assert.deepEqual((await now()).sub, ["news"], "nothing was changed");
  const row = name => conflict.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
  assert.match(await row("Subscribe").textContent(), /orders.*chat:lobby.*news/s);
  assert.ok(await row("Events a second").getByLabel("7").isChecked(), "who did not touch a field keeps what is there");
  assert.ok(await row("Documents").getByLabel("GET:customer").isChecked(), "who alone changed a field keeps that");
  assert.equal(await row("Subscribe").getByRole("radio", { checked: true }).count(), 0, "where both changed it the person says");
  await shot(page, "conflict");
  // Back to the form loses nothing.
  await conflict.getByRole("button", { name: "Back to the form" }).click();
  assert.equal(await form.getByLabel("Documents").inputValue(), "GET:customer");
  await poll("the button", () => form.getByRole("button", { name: "Save" }).isEnabled());
  await form.getByRole("button", { name: "Save" }).click();
  await row("Subscribe").getByLabel("news", { exact: true }).check();
  // It changes once more meanwhile.
  await api("PATCH", `/admin/keys/${id}`, { pub: [] });
  await conflict.getByRole("button", { name: "Save this" }).click();
  await row("Publish").waitFor();
  assert.ok(await row("Publish").getByLabel("nothing").isChecked());
  await conflict.getByRole("button", { name: "Save this" }).click();
  await page.getByText("shared was saved").waitFor();
  const { sub, pub, rest, rate } = await now();
  assert.deepEqual({ sub, pub, rest, rate }, { sub: ["news"], pub: [], rest: ["GET:customer"], rate: 7 });

  // One's own can be put through too.
  await poll("the button", () => page.getByRole("button", { name: "Change shared" }).isEnabled());
  await openForm();
  await api("PATCH", `/admin/keys/${id}`, { sub: ["b"] });
  await form.getByLabel("Subscribe: other patterns").fill("*");
  await form.getByRole("button", { name: "Save" }).click();
  await row("Subscribe").getByLabel(/^\*|news/).check();
  await conflict.getByRole("button", { name: "Save this" }).click();
  await poll("the change", async () => (await now()).sub.includes("*"));

  // Nor is a key revoked that is not what was seen, without a word.
  await page.getByText("shared was saved").waitFor();
  await api("PATCH", `/admin/keys/${id}`, { sub: ["important"] });
  await page.getByRole("button", { name: "Revoke shared" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  const again = page.getByRole("dialog", { name: "Revoke shared all the same?" });
  await again.getByRole("cell", { name: "important" }).waitFor();
  await again.getByRole("button", { name: "Keep" }).click();
  assert.equal((await now()).name, "shared");
  await page.getByText("important").waitFor();
  await page.getByRole("button", { name: "Revoke shared" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("shared was revoked").waitFor();
  assert.equal((await now()).code, "not_found");
});

// losing lets the answers to POST at a path get lost on the way to the page, while window.lost is true.
async function losing(page, path) {
  await page.evaluate(path => {
    const { fetch } = window;
    window.fetch = async (url, init) => {
      const answer = await fetch(url, init);
      if (window.lost && init?.method === "POST" && new URL(url, location).pathname.endsWith(path)) throw new TypeError("the network failed");
      return answer;
    };
  }, path);
  return lost => page.evaluate(lost => { window.lost = lost; }, lost);
}

// creating opens the page of keys.
async function creating(t) {
  const page = await openKeys(t), it = { page }, lose = await losing(page, "/admin/keys");
  it.form = page.getByRole("dialog", { name: "New API key" });
  it.start = async name => {
    await page.getByRole("button", { name: "New key" }).click();
    await it.form.getByLabel("Name", { exact: true }).fill(name);
  };
  it.create = () => it.form.getByRole("button", { name: "Create" });
  it.lose = async () => {
    await lose(true);
    await it.create().click();
    await it.form.getByText(/does not know whether the change was made/).waitFor();
    await lose(false);
  };
  it.done = async () => {
    await page.getByRole("button", { name: "Done" }).click();
    await poll("the button", () => page.getByRole("button", { name: "New key" }).isEnabled());
  };
  return it;
}

test("a double click and a held key make one key", async t => {
  const { page, start, create, done } = await creating(t);
  await start("double");
  await create().dblclick();
  await done();
  assert.equal((await made("double")).length, 1);

  await start("at once");
  await create().evaluate(b => { b.click(); b.click(); b.form.requestSubmit(); });
  await done();
  assert.equal((await made("at once")).length, 1);

  await start("held");
  for (let n = 0; n < 15; n++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await done();
  assert.equal((await made("held")).length, 1);

  // A finger that rests on the key which opened a form does not send it.
  await page.getByRole("button", { name: "Change double" }).focus();
  for (let n = 0; n < 15; n++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await page.getByRole("dialog", { name: "Change double" }).waitFor();
  assert.equal(await page.getByText("double was saved").count(), 0);
  await page.keyboard.press("Escape");
});

test("a key whose answer was lost is shown when the form is sent again", async t => {
  const { page, start, create, lose, done } = await creating(t);
  await start("lost");
  await lose();
  await create().click();
  const shown = await page.getByLabel("API key of lost").inputValue();
  await done();
  const keys = await made("lost");
  assert.equal(keys.length, 1);
  assert.notEqual((await fetch(gateway.url("/realtime"), { method: "HEAD", headers: { "x-apikey": shown } })).status, 401, "the key that is shown is the one that was made");
});

test("a form that was changed after its answer was lost makes no second key, and says so", async t => {
  const { form, start, create, lose } = await creating(t);
  await start("lost too");
  await lose();
  await form.getByLabel("Name", { exact: true }).fill("lost three");
  await create().click();
  await form.getByText(/An earlier attempt made this key/).waitFor();
  assert.deepEqual([(await made("lost too")).length, (await made("lost three")).length], [1, 0]);
});

test("a double click, a held Ctrl+Enter and a lost answer publish one event", async t => {
  const page = await visit(t, key, { provoked: true });
  await live(page);
  const send = page.getByRole("button", { name: "Publish" }), data = page.getByLabel(/^Data \(JSON\)/);
  const begin = async text => {
    await poll("the button", () => send.isEnabled());
    await page.getByLabel("Event", { exact: true }).fill("once");
    await data.fill(`"${text}"`);
  };
  const one = async text => {
    await page.locator("#answer").filter({ hasText: "Stored as" }).waitFor();
    await rows(page).filter({ hasText: text }).waitFor();
    await poll("the button", () => send.isEnabled());
    assert.equal(await stored(text, "once"), 1, text);
  };
  await begin("double-click");
  await send.dblclick();
  await one("double-click");

  await begin("held-key");
  await page.keyboard.down("Control");
  for (let n = 0; n < 15; n++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await page.keyboard.up("Control");
  await one("held-key");

  await begin("fast-keys");
  for (let n = 0; n < 3; n++) await page.keyboard.press("Control+Enter");
  await one("fast-keys");

  const lose = await losing(page, "/realtime");
  await lose(true);
  await begin("lost-answer");
  await send.click();
  await page.getByText(/does not know whether the event was stored/).waitFor();
  await lose(false);
  await send.click();
  await one("lost-answer");
  // To publish the same once more is another event.
  await send.click();
  await poll("the second", async () => await stored("lost-answer", "once") === 2);
});

test("of many clients the oldest is found, paged to and cut", async t => {
  const agent = new Agent({ maxSockets: Infinity, keepAlive: false });
  const connect = channels => new Promise((done, fail) => {
    const r = request(gateway.url(`/realtime?channels=${channels}`), { agent, headers: { "x-apikey": key } }, response => {
      response.resume();
      done(response);
    });
    r.on("error", fail);
    r.end();
  });
  const many = 1100;
  const oldest = await connect("the-oldest");
  const all = [];
  for (let n = 0; n < many; n += 50) all.push(...await Promise.all(Array.from({ length: 50 }, () => connect("hay"))));
  t.after(() => agent.destroy());
  const ended = new Promise(done => oldest.once("close", done));
  const page = await visit(t, admin, { provoked: true });
  await page.getByText("1,101 connected, 1 to 100 are shown").waitFor();
  assert.equal(await page.locator("#clients-rows tr").count(), 100);
  await page.getByRole("button", { name: "Next page" }).click();
  await page.getByText("101 to 200 are shown").waitFor();
  await page.getByRole("button", { name: "Page before" }).click();
  await page.getByText("1 to 100 are shown").waitFor();
  for (let n = 1; n <= 11; n++) {
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText(`${(n * 100 + 1).toLocaleString("en")} to `).waitFor();
  }
  const row = page.locator("#clients-rows tr").filter({ hasText: "the-oldest" });
  await row.waitFor();
  await page.getByLabel("Filter clients").fill("THE-OLD");
  await page.getByText("1 of 1,101 match").waitFor();
  await row.getByRole("button", { name: /^Cut/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cut" }).click();
  await ended;
  await page.getByText("0 of 1,100 match").waitFor();
  await shot(page, "clients-many");
});

test("a list that cannot be read says so, and is not taken for an empty one", async t => {
  const page = await visit(t, null, { provoked: true });
  const busy = { status: 503, json: { message: "the store is away", code: "unavailable" } };
  const broken = [];
  const fail = async path => {
    broken.push(path);
    await page.route(path, route => route.fulfill(busy));
  };
  const mend = async () => {
    for (const path of broken.splice(0)) await page.unroute(path);
  };
  await fail("**/admin/connections*");
  await fail("**/admin/keys*");
  await fail("**/admin/audit*");
  await page.getByLabel("API key, token or admin key").fill(admin);
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("The list cannot be read (503): the store is away").waitFor();
  assert.equal(await page.getByText("Nobody is connected").count(), 0);
  await shot(page, "fault");
  await page.getByRole("link", { name: "Keys" }).click();
  await page.locator("#keys-pages").getByText("The list cannot be read (503)").waitFor();
  assert.equal(await page.getByText("There is no key yet").count(), 0);
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByText("The audit trail cannot be read: the store is away").waitFor();
  await mend();
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("read-only").first().waitFor();
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByText("Nobody is connected").waitFor();
  assert.ok(await page.getByText("The list cannot be read").isHidden());
  // What was read before stays, and says from when it is.
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText("read-only").first().waitFor();
  await fail("**/admin/keys*");
  await page.getByLabel("Filter keys").fill("web");
  await page.getByText(/The list is from/).waitFor();
  assert.ok(await page.getByText("read-only").first().isVisible());
  await mend();
  await page.locator("#keys-pages").getByRole("button", { name: "Try again" }).click();
  await page.getByText("1 of ").waitFor();

  await fail("**/realtime?*");
  await page.getByRole("button", { name: "Add a key" }).click();
  await page.getByLabel("API key, token or admin key").fill(key);
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByRole("link", { name: "Events" }).click();
  await page.getByText("Reconnecting: the store is away").waitFor();
  assert.equal(await page.getByText("No event yet").count(), 0);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("Events cannot be read now: the store is away").waitFor();
});

test("entries of the audit trail before the newest 500 are read", async t => {
  const jtis = Array.from({ length: 520 }, (_, n) => `token-${n}.`);
  for (let n = 0; n < jtis.length; n += 20) await Promise.all(jtis.slice(n, n + 20).map(jti => api("POST", "/admin/revocations", { jti })));
  const page = await visit(t, admin, { provoked: true });
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByText("500 entries, more follow").waitFor();
  const first = page.locator("#audit-rows tr").filter({ hasText: "jti token-0." });
  assert.equal(await first.count(), 0);
  await page.getByRole("button", { name: "Older entries" }).click();
  await first.waitFor();
  await publish({ event: "x" });
  await api("POST", "/admin/revocations", { jti: "the-last-one" });
  await page.getByRole("button", { name: "The newest" }).click();
  await page.locator("#audit-rows tr").filter({ hasText: "the-last-one" }).waitFor();
  assert.equal(await page.locator("#audit-rows tr").count(), 500);
});

test("keys are searched and paged below a path too", async t => {
  for (let n = 0; n < 120; n += 10) await Promise.all(Array.from({ length: 10 }, (_, i) => api("POST", "/admin/keys", { name: `many ${String(n + i).padStart(3, "0")}`, sub: ["paged"] })));
  const page = await visit(t, null, { provoked: true });
  await page.route(url => url.pathname.startsWith("/below/"), async route => {
    if (route.request().headers().accept === "text/event-stream") return route.abort(); // it would wait for the end
    await route.fulfill({ response: await route.fetch({ url: route.request().url().replace("/below/", "/") }) });
  });
  await page.goto("about:blank"); // the first page's icon may still be on its way
  const asked = [];
  page.on("request", r => asked.push(new URL(r.url()).pathname));
  await page.goto(gateway.url(`/below/#apikey=${admin}`));
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByText(/\d+ keys, 1 to 100 are shown/).waitFor();
  await page.getByLabel("Filter keys").fill("PAGED");
  await page.getByText(/120 of \d+ match, 1 to 100 are shown/).waitFor();
  const next = page.locator("#keys-pages").getByRole("button", { name: "Next page" });
  await next.evaluate(b => { b.click(); b.click(); });
  await page.getByText(/120 of \d+ match, 101 to 120 are shown/).waitFor();
  assert.equal(await page.locator("#keys-list > li").count(), 20);
  assert.ok(await next.isHidden());
  await page.getByRole("button", { name: "Page before" }).click();
  await page.getByRole("button", { name: "Change many 000" }).waitFor();
  assert.ok(asked.every(path => path.startsWith("/below/")), asked.join(" "));
});
