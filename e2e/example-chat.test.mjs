// examples/chat: messages, their history, and what a page may not do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, settles, state } from "./example-site.mjs";

const s = example("chat", ["node", "server.mjs"]);

async function enter(name, room = "lobby", context) {
  context ??= await s.browser.newContext();
  const page = await s.open(context, `/?room=${room}`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await state(page, "Connected");
  return page;
}

async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

// messages are those that came from the gateway: who, and what.
const messages = page => page.locator("#messages li:not(.waiting)").evaluateAll(all => all.map(li => [li.querySelector("b").textContent.split(",")[0].replace(/^\d.*/, "me"), li.querySelector(".text").textContent]));
const shows = (page, ...want) => settles(() => messages(page), want);

test("messages arrive, stay over a reload, and are deleted by who wrote them", { timeout: 60_000 }, async () => {
  const [ann, bob, carl] = await Promise.all([enter("Ann"), enter("Bob Ü"), enter("Carl", "garden")]);
  await say(ann, "Hello <b>all</b>");
  await shows(bob, ["Ann", "Hello <b>all</b>"]);
  await say(bob, "Hello Ann");
  await shows(ann, ["me", "Hello <b>all</b>"], ["Bob Ü", "Hello Ann"]);
  await say(carl, "Anybody here?");
  await shows(carl, ["me", "Anybody here?"]);
  await ann.reload();
  await shows(ann, ["me", "Hello <b>all</b>"], ["Bob Ü", "Hello Ann"]);

  assert.equal(await ann.getByRole("button", { name: "Delete" }).count(), 1);
  await ann.getByRole("button", { name: "Delete" }).click();
  await shows(bob, ["me", "Hello Ann"]);
  await shows(ann, ["Bob Ü", "Hello Ann"]);
  const late = await enter("Dora");
  await shows(late, ["Bob Ü", "Hello Ann"]);
  await Promise.all([ann, bob, carl, late].map(p => p.context().close()));
});

test("a message that is written without a network is sent later, once", { timeout: 60_000 }, async () => {
  const [eve, fred] = await Promise.all([enter("Eve", "cellar"), enter("Fred", "cellar")]);
  await eve.context().setOffline(true);
  await state(eve, "No connection");
  await say(eve, "from the cellar");
  await eve.locator("li.waiting").waitFor();
  await eve.context().setOffline(false);
  await shows(fred, ["Eve", "from the cellar"]);
  await shows(eve, ["me", "from the cellar"]);
  assert.equal(await eve.locator("li.waiting").count(), 0);
  assert.equal((await s.events("channels=chat-cellar")).length, 1);
  await Promise.all([eve, fred].map(p => p.context().close()));
});

test("a page can write with its own name, in its own room, and delete its own messages only", { timeout: 60_000 }, async () => {
  const post = (path, body, cookie = "") => fetch(`${s.site.url}/${path}`, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", cookie } });
  const session = async name => {
    const cookie = (await post("login", { name })).headers.get("set-cookie");
    assert.match(cookie, /^session=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; /);
    const r = await fetch(`${s.site.url}/session?room=yard`, { headers: { cookie: cookie.split(";")[0] } });
    return { cookie: cookie.split(";")[0], headers: { authorization: `Bearer ${(await r.json()).token}`, "content-type": "application/json" } };
  };
  const [gil, hal] = [await session("Gil"), await session("Hal")];
  const publish = (who, event, collection) => fetch(`${s.gateway.url}/realtime`, { method: "POST", headers: who.headers, body: JSON.stringify({ event, collection, data: { text: "x", at: 0 } }) });
  const one = await publish(gil, "chat-yard", "Gil");
  const { id } = await one.json();
  const retract = who => fetch(`${s.gateway.url}/realtime?id=${id}`, { method: "DELETE", headers: who.headers });
  assert.deepEqual([one.status, (await publish(gil, "chat-yard", "Hal")).status, (await publish(gil, "chat-lobby", "Gil")).status, (await publish(gil, "chat-yard")).status], [200, 403, 403, 403]);
  assert.deepEqual([(await retract(hal)).status, (await retract(gil)).status], [403, 200]);

  for (const name of [undefined, "", "a:b", "*", "a,b", " x", "x".repeat(31)]) assert.equal((await post("login", { name })).status, 400);
  assert.equal((await fetch(`${s.site.url}/session?room=*`, { headers: { cookie: hal.cookie } })).status, 400);
  await post("logout", {}, hal.cookie);
  assert.equal((await fetch(`${s.site.url}/session?room=yard`, { headers: { cookie: hal.cookie } })).status, 401);
  const form = await fetch(`${s.site.url}/login`, { method: "POST", body: "name=Eve", headers: { "content-type": "application/x-www-form-urlencoded" } });
  assert.equal(form.status, 415);
});
