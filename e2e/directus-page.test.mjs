// A page with a bare WebSocket, as Directus' guide teaches it: it sends just the guide's messages, in a real browser.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";

const token = "directus-key-0123456789";
let gateway, site, browser;

before(async () => {
  gateway = new Gateway({ API_KEYS: JSON.stringify([{ name: "page", key: token, rest: ["GET:messages", "POST:messages"], sub: ["*:messages"] }]), WEBSOCKET_HEARTBEAT: "1s", LOG_LEVEL: "error" });
  await gateway.start();
  const page = `<!doctype html><title>messages</title><ol></ol><script>
    const got = [];
    const socket = new WebSocket("${gateway.url.replace("http", "ws")}/websocket");
    const say = message => socket.send(JSON.stringify(message));
    socket.onopen = () => say({ type: "auth", access_token: "${token}" });
    socket.onclose = () => got.push({ type: "closed" });
    socket.onmessage = event => {
      const message = JSON.parse(event.data);
      got.push(message);
      if (message.type === "ping") say({ type: "pong" });
      if (message.event === "create") document.querySelector("ol").append(document.createElement("li"), message.data[0].text);
    };
  </script>`;
  site = createServer((q, r) => r.writeHead(200, { "content-type": "text/html" }).end(page));
  await once(site.listen(0, "127.0.0.1"), "listening");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  site?.close();
  await gateway?.remove();
});

test("auth, subscribe, create, read the latest, pong", { timeout: 60_000 }, async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const got = async () => (await page.evaluate("got")).filter(m => m.type !== "ping");
  const say = message => page.evaluate(m => say(m), message);
  await poll("the answer to auth", async () => (await got()).length === 1);
  assert.deepEqual(await got(), [{ type: "auth", status: "ok" }]);
  await say({ type: "subscribe", collection: "messages", query: { fields: ["*"] } });
  await poll("the init", async () => (await got()).length === 2);
  assert.deepEqual((await got())[1], { type: "subscription", event: "init", data: [] });
  for (const [text, user] of [["Hello World!", "Ben"], ["Hello Universe!", "Rijk"], ["Hello Everyone Everywhere All At Once!", "Kevin"]]) {
    await say({ type: "items", collection: "messages", action: "create", data: { text, user } });
  }
  await poll("three answers and three changes", async () => (await got()).length === 8);
  const items = (await got()).filter(m => m.type === "items").map(m => m.data);
  assert.deepEqual(items.map(i => [i.text, i.user, typeof i.id, typeof i.date_created]), [
    ["Hello World!", "Ben", "string", "string"], ["Hello Universe!", "Rijk", "string", "string"],
    ["Hello Everyone Everywhere All At Once!", "Kevin", "string", "string"],
  ]);
  assert.deepEqual((await got()).filter(m => m.event === "create").map(m => m.data[0]), items);
  assert.equal(await page.locator("li").count(), 3);
  await say({ type: "items", collection: "messages", action: "read", query: { limit: 1, sort: "-date_created" } });
  await poll("the latest", async () => (await got()).length === 9);
  assert.deepEqual((await got())[8], { type: "items", data: [items[2]] });
  await poll("five pings", async () => (await page.evaluate("got")).filter(m => m.type === "ping").length >= 5);
  assert.ok(!(await got()).some(m => m.type === "closed"), "the pongs keep it open");
});

test("items by fetch, of another origin", async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const answer = await page.evaluate(async ([url, token]) => {
    const r = await fetch(url + "/items/messages", {
      method: "SEARCH", headers: { authorization: "Bearer " + token, "content-type": "application/json" }, body: JSON.stringify({ query: { limit: 0, meta: "total_count" } }),
    });
    return r.json();
  }, [gateway.url, token]);
  assert.deepEqual(Object.keys(answer), ["data", "meta"]);
});
