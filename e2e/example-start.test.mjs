// The servers of the examples that ask the gateway at their start: they may be started before it, and go on with what was left.
import assert from "node:assert/strict";
import { test } from "node:test";
import { example, poll, Site } from "./example-site.mjs";
import { Gateway } from "./gateway.mjs";

const entry = (event, id, data) => ({ event, collection: id, stream: id, data });
const id = "AAAAAAAAAAAAAAAAAAAAAA";

for (const [folder, command, left, path, done] of [
  ["llm", ["node", "server.mjs"], entry("question", `answer-${id}`, "Why?"), `/realtime?stream=answer-${id}`, e => e.event === "done"],
  ["progress", ["python3", "server.py"], entry("accepted", `job-${id}`, { limit: 1000 }), `/realtime?stream=job-${id}`, e => e.data?.found === 168 && e.event === "result"],
  ["table", ["node", "server.mjs"], null, "/rest/product", doc => doc._id === "honey"],
]) {
  const s = example(folder, command, { PAUSE: "0" });
  test(`${folder} waits for the gateway`, { timeout: 60_000 }, async t => {
    const headers = { "x-apikey": s.key, "content-type": "application/json", accept: "application/x-ndjson" };
    await s.site.stop();
    if (left) assert.equal((await fetch(`${s.gateway.url}/realtime`, { method: "POST", headers, body: JSON.stringify(left) })).status, 200);
    else assert.equal((await fetch(`${s.gateway.url}/rest/product/*?q={}`, { method: "DELETE", headers })).status, 200);
    await s.gateway.stop("SIGKILL");
    const early = new Site(folder, command, s.site.env);
    t.after(() => early.stop());
    await early.start();
    await poll("it tries", () => /trying again/.test(early.log));
    await s.gateway.start();
    await poll("what it does at its start", async () => {
      const text = await (await fetch(`${s.gateway.url}${path}${path.includes("?") ? "&until=caught-up" : ""}`, { headers })).text();
      return (text.startsWith("[") ? JSON.parse(text) : text.split("\n").filter(Boolean).map(line => JSON.parse(line))).some(done);
    });
  });
}

// All examples name their keys alike, so a gateway of another example refuses with 403, and one with other keys with 401.
for (const [status, keys] of [[401, '[{"name":"other","key":"a-key-of-somebody-else"}]'], [403, '[{"name":"other","key":"a-key-for-this-example"}]']]) {
  test(`with the gateway of another example, which answers ${status}, pages name the cause`, { timeout: 60_000 }, async t => {
    const gateway = new Gateway({ API_KEYS: keys, LOG_LEVEL: "error" });
    t.after(() => gateway.remove());
    await gateway.start();
    for (const [folder, command, path] of [
      ["llm", ["node", "server.mjs"], `/token?id=${id}`], ["progress", ["python3", "server.py"], `/token?id=${id}`],
      ["table", ["node", "server.mjs"], "/session"], ["sensors", ["node", "server.mjs"], "/session"],
    ]) {
      const site = new Site(folder, command, { GATEWAY: gateway.url, KEY: "a-key-for-this-example", PYTHONUNBUFFERED: "1" });
      t.after(() => site.stop());
      const answer = await fetch(await site.start() + path);
      assert.equal(answer.status, 502, folder);
      assert.match((await answer.json()).message, /^The gateway refuses the key of this server\. Is it the gateway of another example\?/, folder);
    }
  });
}
