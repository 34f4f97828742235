// examples/notifications: an inbox for each user, and what is read, in all tabs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, settles, state } from "./example-site.mjs";

const secret = "a secret of at least 32 bytes for the example";
const s = example("notifications", ["python3", "server.py"], { JWT_SECRET: secret }, { JWT_SECRET: secret });

async function enter(name, password = name) {
  const page = await s.open(await s.browser.newContext());
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  return page;
}

async function send(page, to, text) {
  await page.getByLabel("Text").fill(text);
  await page.getByLabel("To").selectOption(to);
  await page.getByRole("button", { name: "Send" }).click();
}

// inbox is the number of unread ones, in the page and its title, and the texts; unread ones with a star.
const inbox = page => page.evaluate(() => [
  Number(document.querySelector("#count").textContent), Number(/^\((\d+)\)/.exec(document.title)?.[1] ?? 0),
  ...[...document.querySelectorAll("#list li")].map(li => (li.classList.contains("unread") ? "* " : "") + li.querySelector(".text").textContent),
]);
const shows = (page, unread, ...texts) => settles(() => inbox(page), [unread, unread, ...texts]);

test("each user gets their own, and what is read is read everywhere", { timeout: 60_000 }, async () => {
  const [ann, bob] = await Promise.all([enter("ann"), enter("bob")]);
  await Promise.all([state(ann, "Connected"), state(bob, "Connected")]);
  await send(bob, "ann", "The order <i>7</i> is on its way");
  await shows(ann, 1, "* The order <i>7</i> is on its way");
  await send(ann, "everybody", "Closed on Friday");
  await send(bob, "ann", "Thank you");
  await shows(ann, 3, "* Thank you", "* Closed on Friday", "* The order <i>7</i> is on its way");
  await shows(bob, 1, "* Closed on Friday");

  const phone = await enter("ann"); // another browser of the same user
  await shows(phone, 3, "* Thank you", "* Closed on Friday", "* The order <i>7</i> is on its way");
  await phone.locator("#list li").nth(1).getByRole("button", { name: "Read" }).click();
  for (const page of [ann, phone]) await shows(page, 2, "* Thank you", "Closed on Friday", "* The order <i>7</i> is on its way");
  await ann.getByRole("button", { name: "Mark all as read" }).click();
  for (const page of [ann, phone]) await shows(page, 0, "Thank you", "Closed on Friday", "The order <i>7</i> is on its way");
  await ann.context().setOffline(true);
  await state(ann, "No connection");
  await send(bob, "ann", "You were away");
  await shows(phone, 1, "* You were away", "Thank you", "Closed on Friday", "The order <i>7</i> is on its way");
  await ann.context().setOffline(false);
  await shows(ann, 1, "* You were away", "Thank you", "Closed on Friday", "The order <i>7</i> is on its way");
  await ann.reload();
  await shows(ann, 1, "* You were away", "Thank you", "Closed on Friday", "The order <i>7</i> is on its way");
  await shows(bob, 1, "* Closed on Friday");
  await Promise.all([ann, bob, phone].map(p => p.context().close()));
});

test("nobody reads or marks the inbox of another user, and none is written without a session", { timeout: 60_000 }, async () => {
  const stranger = await enter("ann", "bob");
  await state(stranger, "The name or the password is wrong");
  await stranger.context().close();
  const post = (path, body, cookie = "") => fetch(`${s.site.url}/${path}`, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", cookie } });
  const cookie = (await post("login", { name: "bob", password: "bob" })).headers.get("set-cookie").split(";")[0];
  const { token } = await (await fetch(`${s.site.url}/session`, { headers: { cookie } })).json();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const read = async channel => (await fetch(`${s.gateway.url}/realtime?until=caught-up&channels=${channel}`, { headers })).status;
  const publish = async event => (await fetch(`${s.gateway.url}/realtime`, { method: "POST", headers, body: JSON.stringify({ event, data: {} }) })).status;
  assert.deepEqual([await read("inbox-bob"), await read("inbox-ann"), await read("read-ann")], [200, 403, 403]);
  assert.deepEqual([await publish("read-bob"), await publish("read-ann"), await publish("inbox-bob"), await publish("inbox-ann")], [200, 403, 403, 403]);

  const statuses = [];
  for (const body of [{ to: "eve", text: "x" }, { to: "ann", text: " " }, { to: "ann" }, { to: "ann", text: "x".repeat(501) }]) statuses.push((await post("notify", body, cookie)).status);
  statuses.push((await post("notify", { to: "ann", text: "x" })).status, (await fetch(`${s.site.url}/session`)).status);
  await post("logout", {}, cookie);
  statuses.push((await fetch(`${s.site.url}/session`, { headers: { cookie } })).status, (await fetch(`${s.site.url}/server.py`)).status, (await post("login", [1])).status);
  assert.deepEqual(statuses, [400, 400, 400, 400, 401, 401, 401, 404, 400]);
  assert.equal(s.site.log.includes(s.key), false);
});
