// examples/llm: an answer of a model that stays whole, whatever happens to page, network and server.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, test } from "node:test";
import { example, poll, Site, state } from "./example-site.mjs";

const command = ["node", "server.mjs"];
const s = example("llm", command, { PAUSE: "30" });
const others = [];
after(() => Promise.all(others.map(o => o.stop())));

const text = page => page.locator("#text").textContent();
const grown = async (page, by = 60) => {
  const before = (await text(page)).length;
  await poll("more text", async () => (await text(page)).length > before + by);
};

// whole is what the small model says.
async function whole(question) {
  process.env.PAUSE = "0";
  const { fake } = await import("../examples/llm/models.mjs");
  let all = "";
  for await (const word of fake(question, "")) all += word;
  assert.match(all, /that is the end\.$/);
  return all;
}

async function ask(page, question) {
  await page.getByLabel("Your question").fill(question);
  await page.getByRole("button", { name: "Ask" }).click();
  await page.waitForURL(/answer=/);
  await poll("the first words", async () => (await text(page)).length > 40);
  return `answer-${new URL(page.url()).searchParams.get("answer")}`;
}

// complete waits for the end in each page. The pages and the log have the same text then.
async function complete(stream, question, ...pages) {
  const want = await whole(question);
  for (const page of pages) {
    await state(page, "Complete");
    assert.equal(await text(page), want);
  }
  const entries = await s.events(`stream=${stream}`);
  assert.equal(entries.filter(e => e.event === "text").map(e => e.data).join(""), want);
  assert.equal(entries.at(-1).event, "done");
  assert.equal(entries.filter(e => e.event === "done").length, 1);
  return entries;
}

test("a reload, a lost network, a second tab and a gateway that restarts", { timeout: 60_000 }, async () => {
  const context = await s.browser.newContext(), question = "Does <b>this</b> survive?";
  const page = await s.open(context);
  const stream = await ask(page, question);
  await page.reload();
  await grown(page);
  const second = await s.open(context, new URL(page.url()).search.replace(/^/, "/"));
  await grown(second);
  await context.setOffline(true);
  await state(page, "No connection");
  const before = (await text(page)).length;
  await poll("the model goes on", async () => (await s.events(`stream=${stream}&types=text`)).map(e => e.data).join("").length > before + 60);
  await context.setOffline(false);
  await state(page, "The model is writing");
  await s.gateway.stop("SIGKILL");
  await s.gateway.start();
  await complete(stream, question, page, second);
  assert.equal(await page.locator("#question").textContent(), question);
  await page.reload();
  await complete(stream, question, page);
  await context.close();
});

test("stopped, and on; then another server goes on with what the first one left", { timeout: 60_000 }, async () => {
  const context = await s.browser.newContext(), question = "Why?";
  const page = await s.open(context);
  const stream = await ask(page, question);
  const watcher = await s.open(await s.browser.newContext(), `/${new URL(page.url()).search}`);
  await watcher.getByRole("button", { name: "Stop" }).click();
  await Promise.all([page, watcher].map(p => state(p, "Stopped")));
  const stopped = await text(page);
  assert.ok(stopped.length < (await whole(question)).length);
  assert.equal((await s.events(`stream=${stream}`)).at(-1).event, "stopped");
  await s.site.stop(); // a stopped answer stays stopped over a restart
  await s.site.start();
  await page.reload();
  await state(page, "Stopped");
  assert.equal(await text(page), stopped);

  await page.getByRole("button", { name: "Go on" }).click();
  await grown(page);
  await s.site.stop();
  await s.site.start();
  await grown(page);
  const rival = new Site("llm", command, s.site.env); // goes on with the answer too: one of both must give in
  others.push(rival);
  await rival.start();
  const entries = await complete(stream, question, page, watcher);
  assert.equal(entries.filter(e => e.event === "resumed").length, 3);
  assert.equal(s.site.log + rival.log, "");
  await context.close();
});

test("a token of one answer opens no other, and what is no question is refused", { timeout: 60_000 }, async () => {
  const send = async (path, body) => {
    const r = await fetch(`${s.site.url}/${path}`, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    return [r.status, await r.json()];
  };
  const [, { id }] = await send("ask", { question: "One?" });
  const [, { token }] = await send(`token?id=${id}`);
  const read = async name => (await fetch(`${s.gateway.url}/realtime?until=caught-up&channels=*:answer-${name}`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.deepEqual([await read(id), await read("AAAAAAAAAAAAAAAAAAAAAA")], [200, 403]);
  assert.equal((await send("stop", { id }))[0], 200);
  for (const question of [undefined, "", " ", 7, "x".repeat(4001)]) assert.equal((await send("ask", { question }))[0], 400);
  assert.deepEqual([(await send("token?id=x"))[0], (await send("stop", { id: "../x" }))[0], (await send("server.mjs"))[0], (await send("package.json"))[0]], [404, 404, 404, 404]);
});

test("a real model: words of its stream, its refusal, and what it is asked when it goes on", { timeout: 60_000 }, async () => {
  const asked = [];
  const provider = createServer(async (request, answer) => {
    asked.push({ url: request.url, key: request.headers.authorization, ...JSON.parse((await request.toArray()).join("")) });
    if (asked.length === 1) return answer.writeHead(429).end("no credit");
    const piece = content => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\r\n\r\n`;
    answer.writeHead(200, { "content-type": "text/event-stream" });
    if (asked.length === 2) { // breaks off within a character
      const half = Buffer.from(piece("Blue, ") + piece("because “"));
      return answer.write(half, () => answer.destroy());
    }
    answer.write(piece("of ") + ": a comment\n\n" + piece("light.").slice(0, 20));
    answer.end(piece("light.").slice(20) + "data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n");
  });
  await once(provider.listen(0, "127.0.0.1"), "listening");
  after(() => (provider.closeAllConnections(), provider.close()));
  const site = new Site("llm", command, { ...s.site.env, OPENAI_BASE_URL: `http://127.0.0.1:${provider.address().port}/v1`, OPENAI_API_KEY: "secret", MODEL: "m" });
  others.push(site);
  await site.start();
  const context = await s.browser.newContext(), page = await s.open(context, "/", site);
  await page.getByLabel("Your question").fill("Why is the sky blue?");
  await page.getByRole("button", { name: "Ask" }).click();
  await state(page, "The model failed");
  await page.getByRole("button", { name: "Go on" }).click();
  await poll("half of it", async () => await text(page) === "Blue, because “");
  await state(page, "The model failed");
  await page.getByRole("button", { name: "Go on" }).click();
  await state(page, "Complete");
  assert.equal(await text(page), "Blue, because “of light.");
  const question = { role: "user", content: "Why is the sky blue?" };
  assert.deepEqual(asked.slice(0, 2), [0, 1].map(() => ({ url: "/v1/chat/completions", key: "Bearer secret", model: "m", stream: true, messages: [question] })));
  assert.deepEqual(asked[2].messages.slice(0, 2), [question, { role: "assistant", content: "Blue, because “" }]);
  assert.match(site.log, /the model answered 429: no credit/);
  assert.doesNotMatch(site.log, /secret/);
  await context.close();
});
