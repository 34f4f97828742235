// Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const { GATEWAY = "http://127.0.0.1:8080", KEY = "", PATIENCE = "60" } = process.env;

// NotPublished has the gateway's status, code and message, and "last" where a condition failed. Without an answer the status is 0.
export class NotPublished extends Error {
  constructor(status, { code, message, last }) {
    super([status || "", code, message].filter(Boolean).join(" "));
    Object.assign(this, { status, code, last });
  }
}

// publish stores one event, or all events of an array, and returns the gateway's answer: {id} or {ids}. A text is taken as
// lines, each with the JSON of one event.
export async function publish(events) {
  const lines = typeof events === "string", body = lines ? events : JSON.stringify(events);
  const headers = { "x-apikey": KEY, "Content-Type": lines ? "application/x-ndjson" : "application/json", "Idempotency-Key": randomUUID() };
  const end = Date.now() + PATIENCE * 1000; // less than the two minutes for which the gateway remembers the key
  for (let pause = 500; ; pause = Math.min(2 * pause, 10_000)) {
    const { status, answer, wait } = await send(body, headers);
    if (status === 200) return answer;
    const failure = new NotPublished(status, answer);
    const passes = status === 0 || status === 408 || status === 429 || status >= 500;
    // The random part keeps many publishers from coming back at the same moment.
    const rest = wait || pause * (0.5 + Math.random() / 2);
    if (!passes || Date.now() + rest > end) throw failure;
    await sleep(rest);
  }
}

async function send(body, headers) {
  try {
    const r = await fetch(`${GATEWAY}/realtime`, {
      method: "POST", body, headers, redirect: "manual", signal: AbortSignal.timeout(10_000),
    });
    const text = await r.text();
    let answer;
    try {
      answer = JSON.parse(text);
    } catch { // an answer of a proxy or of another server
      return { status: r.status === 200 ? 502 : r.status, answer: { message: "this is no answer of the gateway: " + text.slice(0, 100) } };
    }
    return { status: r.status, answer, wait: 1000 * (Number(r.headers.get("Retry-After")) || 0) };
  } catch (e) {
    return { status: 0, answer: { message: `no answer from ${GATEWAY}: ${e.cause?.message ?? e.message}` } };
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const answer = await publish(JSON.parse(process.argv[2] ?? ""));
    for (const id of answer.ids ?? [answer.id]) console.log(id);
  } catch (e) {
    console.error(e instanceof SyntaxError ? `give an event, or several, as JSON: '{"event":"news","data":"hello"}'` : `not published: ${e.message}`);
    process.exitCode = 1;
  }
}
