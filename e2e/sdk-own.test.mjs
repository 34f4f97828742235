// The SDK in a browser, with what concerns one page: its cookies, and what it publishes itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { poll } from "./gateway.mjs";
import { all, got, openTab, session, site } from "./sdk-browser.mjs";
import { connections, init, script, streams } from "./sdk-tools.mjs";

const s = session();
const { publish, tab } = s;

test("cookies go to a gateway of another origin only with credentials: include", { timeout: 30_000 }, async t => {
  s.context = await s.browser.newContext();
  await s.context.addCookies([{ name: "session", value: "ann", domain: "127.0.0.1", path: "/" }]);
  const url = await site();
  for (const credentials of ["include", undefined, "omit"]) {
    const gateway = await script(t, (answer, request) => {
      const cors = { "access-control-allow-origin": request.headers.origin, "access-control-allow-credentials": "true", "access-control-allow-headers": "content-type, idempotency-key, x-apikey, last-event-id" };
      for (const [name, v] of Object.entries(cors)) answer.setHeader(name, v);
      if (request.method === "OPTIONS") return answer.writeHead(204).end();
      if (request.method === "GET") return streams(init(1), false)(answer);
      answer.writeHead(200, { "content-type": "application/json" }).end('{"message":"OK","id":"2"}');
    });
    const page = await openTab(s.context, url, { credentials, apikey: undefined, shared: false }, gateway.url);
    await poll("open", () => page.evaluate(() => rt.state === "open"));
    assert.equal(await page.evaluate(() => rt.publish("a")), "2");
    const real = gateway.seen.filter(r => r.method !== "OPTIONS");
    assert.deepEqual(real.map(r => [r.method, r.headers.cookie]), ["GET", "POST"].map(m => [m, credentials === "include" ? "session=ann" : undefined]), credentials);
    await page.close();
  }
});

test("tabs with echo: false have connections of their own, and get what the others publish", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site();
  const pages = await Promise.all([{ echo: false }, { echo: false }, {}].map(o => tab(url, o)));
  await poll("three streams", async () => await connections(s.base) === 3);
  await pages[0].evaluate(() => rt.publish("tick", "first"));
  await pages[1].evaluate(() => rt.publish("tick", "second"));
  await pages[2].evaluate(() => rt.publish("tick", "third"));
  await poll("the third", async () => (await Promise.all(pages.map(got))).every(list => list.includes("third")));
  assert.deepEqual(await Promise.all(pages.map(got)), [["second", "third"], ["first", "third"], ["first", "second", "third"]]);
});

test("tabs with a long list of channels share one connection", { timeout: 30_000 }, async () => {
  s.context = await s.browser.newContext();
  const url = await site(), channels = Array.from({ length: 300 }, (_, i) => `a-long-name-of-a-channel-${i}`).concat("tick");
  const pages = await Promise.all([0, 1, 2].map(() => tab(url, { channels })));
  await poll("one stream", async () => await connections(s.base) === 1);
  await all(pages, await publish(20));
  await pages[0].close();
  await all(pages.slice(1), [...await got(pages[1]), ...await publish(5)]);
});
