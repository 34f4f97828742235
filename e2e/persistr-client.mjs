// The published Persistr client, and the little that its tests need around it.
import assert from "node:assert/strict";
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { get } from "node:http";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { poll } from "./gateway.mjs";

export const { persistr } = createRequire(import.meta.url)("@persistr/js");
export const adminKey = "admin-0123456789abcdef";

// What the client throws outside of any promise: the answer to a feed was an HTTP error.
export const faults = [];
process.on("uncaughtException", e => faults.push(e));

export function connect(base, user = "demo:demo", db = "demo") {
  return persistr.connect(`persistr://${user}@${new URL(base).host}/${db}?tls=false`);
}

export function withKey(base, key, db = "demo") {
  return persistr.connect(`persistr://${new URL(base).host}/${db}?tls=false&apikey=${key}`);
}

export const ids = events => events.map(e => e.meta.id);

// read reads a range that ends. each() may resolve early, so it waits for as many as there should be.
export async function read(selected, count = 0) {
  const got = [];
  await selected.each(e => { got.push(e); });
  await poll(() => `${count} events, got ${got.length}`, () => got.length >= count);
  await sleep(15);
  return got;
}

// The feeds that the client asked for, and those that were answered: it does not tell itself that one is open.
let asked = 0, answered = 0;
const isFeed = request => request.getHeader("accept") === "text/event-stream";
subscribe("http.client.request.start", ({ request }) => { if (isFeed(request)) asked++; });
subscribe("http.client.response.finish", ({ request }) => { if (isFeed(request)) answered++; });

// follow opens a feed that goes on; all that comes is in the array that it gives.
export async function follow(selected) {
  const got = [], before = asked;
  got.done = selected.each((e, subscription) => {
    got.push(e);
    got.cancel = () => subscription.cancel();
  }).then(() => got.ended = true, e => { got.failed = e; });
  got.reach = n => poll(() => `${n} events, got ${got.length}`, () => assert.ifError(got.failed) || got.length >= n, 20_000);
  got.fails = status => poll(`the feed's failure with ${status}`, () => got.failed).then(e => assert.equal(e.statusCode, status, e.message));
  await poll("an open feed", () => asked > before && answered === asked);
  return got;
}

// refused says that a call of the client fails with a status, and a text that the server wrote.
export function refused(promise, status) {
  return assert.rejects(promise, e => {
    assert.equal(e.statusCode, status, e.stack);
    assert.ok(e.message && !e.message.startsWith("{"), `not in the door's shape: ${e.message}`);
    return true;
  });
}

// raw opens a feed without the client, which would hide what comes twice.
export async function raw(base, path, headers = {}) {
  const request = get(base + path, { agent: false, headers: { accept: "text/event-stream", authorization: basic("demo:demo"), ...headers } });
  const [r] = await once(request, "response");
  const feed = { status: r.statusCode, type: r.headers["content-type"], events: [], messages: [], comments: 0, ended: false, close: () => r.destroy() };
  let text = "";
  r.setEncoding("utf8").on("data", chunk => {
    const blocks = (text += chunk).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) feed.take(block);
  }).on("error", () => {}).on("close", () => feed.ended = true);
  feed.take = block => {
    const m = { event: "message" };
    for (const line of block.split("\n")) {
      if (line.startsWith(":")) feed.comments++;
      const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      if (field) m[field] = value;
    }
    if (m.data === undefined) return;
    feed.messages.push(m);
    if (m.event === "message") feed.events.push(JSON.parse(m.data));
  };
  feed.failure = async () => JSON.parse((await poll("a failure in the feed", () => feed.messages.find(m => m.event === "error"))).data);
  return feed;
}

export const basic = user => "Basic " + Buffer.from(user).toString("base64");

// call is a plain request, as JSON.
export async function call(base, method, path, { body, user = "demo:demo", ...headers } = {}) {
  const r = await fetch(base + path, {
    method, body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    headers: { authorization: basic(user), "content-type": "application/json", ...headers },
  });
  const text = await r.text();
  return { status: r.status, head: r.headers, text, body: text && r.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined };
}

// bulk appends many events at once, by /realtime: a line each, 1,000 a request. It takes a key that may.
export async function bulk(base, key, events) {
  for (let i = 0; i < events.length; i += 1000) {
    const r = await fetch(base + "/realtime", {
      method: "POST", headers: { "x-apikey": key, "content-type": "application/json" },
      body: JSON.stringify(events.slice(i, i + 1000).map(e => ({ space: "$db/demo", ...e }))),
    });
    assert.equal(r.status, 200, await r.text());
  }
}
