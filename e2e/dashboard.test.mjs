// The dashboard: what a visitor and the holder of a key can do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { copied, key, live, publish, publishMany, publishOnly, rows, setUp, shot, signIn, visit } from "./dashboard.mjs";
import { poll } from "./gateway.mjs";

const gateway = setUp();

test("a visitor sees what this is, and lines to paste", async t => {
  const page = await visit(t, null, { provoked: true });
  await page.getByRole("heading", { name: /Servers POST events/ }).waitFor();
  assert.equal(await page.locator("#try-watch").textContent(), `curl -N -H 'x-apikey: KEY' ${gateway.url("/realtime")}`);
  await page.getByLabel("Event name").fill("it's");
  await page.getByLabel("API key, token or admin key").fill("secret-key-of-mine");
  const line = page.locator("#try-publish");
  assert.match(await line.textContent(), /^curl -H 'x-apikey: •+' .* -d '\{"event":"it'\\''s","data":"world"\}' http/);
  await page.getByRole("button", { name: "Copy: In another: publish" }).click();
  assert.match(await copied(page), /secret-key-of-mine/);
  await shot(page, "visitor");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("The gateway does not know this key").waitFor();
  assert.ok(await page.locator("#nav").isHidden());
});

test("events come live as text, can be filtered, paused, opened and copied", async t => {
  const before = [];
  for (let n = 0; n < 3; n++) before.push((await publish({ event: "earlier", data: n })).id);
  const page = await visit(t, key);
  await live(page);
  await poll("the events from before", async () => await rows(page).count() >= 3);
  const markup = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  await publish({ event: "put", collection: "customer", stream: "orders", data: { markup, huge: 1 } });
  const row = rows(page).filter({ hasText: "PUT:customer" });
  await row.waitFor();
  assert.ok((await row.textContent()).includes(markup));
  assert.equal(await page.locator("#event-list img, #event-list script").count(), 0);
  await row.locator("summary").click();
  assert.match(await row.locator("pre").textContent(), /^\{\n {2}"event": "put",\n {2}"collection": "customer",\n/);
  await row.getByRole("button", { name: "Copy as curl" }).click();
  assert.ok((await copied(page)).endsWith(`"stream":"orders"}' ${gateway.url("/realtime")}`));
  assert.match(await row.locator("time").getAttribute("title"), /\d{4}-\d\d-\d\dT/);

  await page.getByLabel("Filter events").fill("CUSTOMER");
  await poll("the filter", async () => await rows(page).count() === 1);
  await page.getByLabel("Filter events").fill("");
  await page.getByRole("button", { name: "Pause" }).click();
  for (let n = 0; n < 2; n++) await publish({ event: "while-paused", data: n });
  await page.getByRole("button", { name: "Resume (2 waiting)" }).waitFor();
  assert.equal(await rows(page).filter({ hasText: "while-paused" }).count(), 0);
  await page.getByRole("button", { name: /^Resume/ }).click();
  await poll("what waited", async () => await rows(page).filter({ hasText: "while-paused" }).count() === 2);

  await page.getByLabel(/^Channels/).fill("boing, put:customer");
  await page.getByLabel("Begin with").selectOption("new events");
  await page.getByRole("button", { name: "Watch" }).click();
  await live(page);
  await page.getByText("Shows boing, put:customer.").waitFor();
  await publish({ event: "other", data: 1 });
  await publish({ event: "boing", data: 2 });
  await rows(page).first().waitFor();
  assert.match(await rows(page).first().textContent(), /^boing/);
  assert.equal(await rows(page).count(), 1);
});

test("an open event keeps its place while others come", async t => {
  await publishMany(60);
  const page = await visit(t, key);
  await live(page);
  await publish({ event: "opened", data: 1 });
  const row = rows(page).filter({ hasText: /^opened/ });
  await row.locator("summary").click();
  const place = (await row.boundingBox()).y;
  for (let n = 0; n < 5; n++) await publish({ event: "next", data: n });
  await rows(page).filter({ hasText: /^next4/ }).waitFor();
  assert.ok(Math.abs((await row.boundingBox()).y - place) < 3, "it moved");
});

test("at most 200 events are shown, and older ones a page at a time", async t => {
  const page = await visit(t, key);
  await live(page);
  await publishMany(700);
  await rows(page).filter({ hasText: /^many699/ }).waitFor();
  await page.getByText(/7[05]0 received, 200 are shown and \d+ more are in memory/).waitFor();
  assert.equal(await page.locator("#event-list > li").count(), 200);
  for (let n = 0; n < 3; n++) await page.getByRole("button", { name: /older: show the next/ }).click();
  await rows(page).filter({ hasText: /^many0/ }).waitFor();
  assert.ok(await page.locator("#event-list > li").count() <= 200);
  await publish({ event: "meanwhile", data: 1 });
  await page.getByRole("button", { name: /newer: show the newest/ }).click();
  await rows(page).filter({ hasText: "meanwhile" }).waitFor();
  await page.getByLabel("Filter events").fill('0');
  await rows(page).filter({ hasText: /^many10\b|^many100/ }).first().waitFor();
  await page.getByLabel("Filter events").fill('many","data":3}');
  await poll("one that was not shown is found", async () => await rows(page).count() === 1);
});

test("publishing, and its errors", async t => {
  const page = await visit(t, key, { provoked: true });
  await live(page);
  const data = page.getByLabel(/^Data \(JSON\)/);
  await data.fill('{"open": ');
  await page.getByText(/^Not JSON/).waitFor();
  assert.equal(await data.getAttribute("aria-invalid"), "true");
  await data.fill('{"huge": 123456789012345678901234567890, "a": 1, "a": 2}');
  await page.getByLabel("Event", { exact: true }).fill("boing");
  await page.getByLabel(/^Stream/).fill("readings");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText(/^Stored as \d+$/).waitFor();
  await rows(page).filter({ hasText: '{"huge":123456789012345678901234567890,"a":1,"a":2}' }).waitFor();
  assert.match(await page.locator("#curl-publish").textContent(), /"event":"boing".*"stream":"readings"/);
  await page.getByLabel("Event", { exact: true }).fill("ping");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("(400 bad_event)").waitFor();
  await shot(page, "publish-error");
});

test("a key that may only publish is told so, and publishes", async t => {
  const page = await visit(t, publishOnly, { provoked: true });
  await page.locator("#events-state[data-state=refused]").waitFor();
  assert.notEqual(await page.locator("#events-state .why").textContent(), "");
  await page.getByLabel("Event", { exact: true }).fill("reading");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText(/^Stored as/).waitFor();
  assert.match(await page.title(), /Refused/);
});

test("the keyboard alone connects and publishes", async t => {
  const page = await visit(t, null);
  const reach = async (id, back) => poll(`the focus on ${id}`, async () => {
    if (await page.evaluate(id => document.activeElement?.id === id, id)) return true;
    await page.keyboard.press(back ? "Shift+Tab" : "Tab");
  });
  await reach("credential");
  await page.keyboard.type(key);
  await page.keyboard.press("Enter");
  await live(page);
  await reach("event");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("typed");
  await reach("data");
  await page.keyboard.press("Control+Enter");
  await page.getByText(/^Stored as/).waitFor();
  await rows(page).filter({ hasText: /^typed/ }).waitFor();
  await poll("the focus on an event", async () => {
    await page.keyboard.press("Shift+Tab");
    return page.evaluate(() => document.activeElement.matches("#event-list summary"));
  });
  await page.keyboard.press("Enter");
  await page.locator("#event-list details[open] pre").waitFor();
});

test("a restart is shown, and nothing is missed", async t => {
  const page = await visit(t, key, { provoked: true });
  await live(page);
  await publish({ event: "before-restart", data: 1 });
  await rows(page).filter({ hasText: "before-restart" }).waitFor();
  await gateway.kill();
  await page.locator("#events-state[data-state=waiting]").waitFor();
  await page.locator(".notice.waiting").waitFor();
  assert.match(await page.title(), /Reconnecting/);
  await gateway.start();
  await publish({ event: "after-restart", data: 2 });
  await live(page);
  await rows(page).filter({ hasText: "after-restart" }).waitFor();
  assert.equal(await rows(page).filter({ hasText: "before-restart" }).count(), 1);
  await page.locator(".notice.live").filter({ hasText: "Connected again" }).waitFor();
});

test("a gap, a busy gateway and an ended credential are rows of their own", async t => {
  const page = await visit(t, null, { provoked: true });
  const seen = [];
  const frame = (event, id, data) => `event: ${event}\n${id ? `id: ${id}\n` : ""}data: ${JSON.stringify({ event, data })}\n\n`;
  const bodies = [
    `:   \nretry: 20\nid: 5\ndata: {"channel":"init","data":{}}\n\n` + frame("gap", 9, { reason: "expired", after: "5", oldest: "10" }),
    frame("busy", 9, { status: 503, message: "too many streams" }),
    `id: 9\ndata: {"channel":"init","data":{}}\n\n` + frame("expired", 0, { reason: "revoked" }),
  ];
  await page.route(/\/realtime\?/, route => {
    seen.push(route.request().headers()["last-event-id"] ?? "");
    const body = bodies.shift();
    if (body) return route.fulfill({ status: 200, contentType: "text/event-stream", body });
    return route.fulfill({ status: 401, json: { message: "this key is no more", code: "bad_key" } });
  });
  await signIn(page, key);
  await page.locator("#events-state[data-state=refused]").getByText("this key is no more").waitFor();
  assert.deepEqual(seen, ["", "9", "9", "9"]);
  for (const [kind, text] of [["gap", /no longer stored.*after 5, oldest stored 10/], ["busy", /too many streams/], ["expired", /revoked/], ["refused", /no more/]])
    await page.locator(`.notice.${kind}`).filter({ hasText: text }).waitFor();
  await page.unroute(/\/realtime\?/);
  await page.getByRole("button", { name: "Try now" }).click();
  await live(page);
});

test("frames and JSON are read however they are cut and written", async t => {
  const page = await visit(t, null);
  const wrong = await page.evaluate(async () => {
    const { Frames } = await import("/ui/stream.js");
    const { member, pretty } = await import("/ui/json.js");
    const text = "\uFEFF: hello\r\nretry: 7\r\nid: 1\r\nevent: a\rdata: x\ndata:y\n\nid: 2\n\nid: 3\0\ndata\n\ndata: lost at the end";
    const want = JSON.stringify([[{ type: "a", id: "1", data: "x\ny" }, { type: "message", id: null, data: "" }], "2", 7]);
    const wrong = [];
    for (let cut = 0; cut <= text.length; cut++) {
      const f = new Frames();
      const got = JSON.stringify([[...f.feed(text.slice(0, cut)), ...f.feed(text.slice(cut))], f.lastId, f.retry]);
      if (got !== want) wrong.push([cut, got]);
    }
    const raw = '{"event":"data","data":{"a":"}\\",","b":[1e400,{}],"a":[]},"stream":"s"}';
    if (member(raw, "data") !== raw.slice(23, -14)) wrong.push(member(raw, "data"));
    if (member(raw, "none") !== "" || member('{"data":1}', "data") !== "1") wrong.push("member");
    if (pretty(raw).replace(/\n */g, "").replaceAll('": ', '":') !== raw) wrong.push(pretty(raw));
    return wrong;
  });
  assert.deepEqual(wrong, []);
});

test("a reload keeps the credentials of this tab, and they can be forgotten", async t => {
  const page = await visit(t, key);
  await live(page);
  await page.reload();
  await live(page);
  await page.getByRole("button", { name: "Forget the API key" }).click();
  await page.getByRole("heading", { name: /Servers POST events/ }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: /Servers POST events/ }).waitFor();
  assert.equal(await page.locator("#events-state").isHidden(), true);
});
