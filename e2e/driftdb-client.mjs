// The published DriftDB client in Node, and what tests of rooms need beside it.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { poll } from "./gateway.mjs";

const stored = new Map();
Object.assign(globalThis, {
  WebSocket, window: globalThis,
  sessionStorage: { getItem: k => stored.get(k) ?? null, setItem: (k, v) => stored.set(k, v), clear: () => stored.clear() },
});
console.log = () => {}; // it tells of every reconnection
export const faults = []; // messages that the client does not know
console.error = (...words) => faults.push(words.join(" "));

export const driftdb = createRequire(import.meta.url)("driftdb");
export const { Api, HttpConnection, PresenceListener, Reducer, StateListener } = driftdb;

// Db is the client, of which nobody holds the promises of attempts to come back.
class Db extends driftdb.DbConnection {
  heard = [];

  connect(...args) {
    const p = super.connect(...args);
    p.catch(() => {});
    return p;
  }
}

let open = [];

// make gives a client that keeps all it is sent, not connected yet.
export function make() {
  const db = new Db();
  db.messageListener.addListener(m => db.heard.push(m));
  open.push(db);
  return db;
}

export async function join(room, cbor = false) {
  const db = make();
  await db.connect(room.socket_url, cbor);
  return db;
}

// settled joins, and waits until pushes come at once.
export async function settled(room, cbor) {
  const db = await join(room, cbor);
  await sleep(300);
  return db;
}

export function leaveAll() {
  for (const db of open) {
    db.disconnect();
    clearTimeout(db.reconnectLoopHandle);
  }
  open = [];
}

export const push = (db, key, value, type = "append", seq) => db.send({ type: "push", key, value, action: seq === undefined ? { type } : { type, seq } });

// of leaves out what the tests say to each other.
export const of = (db, ...types) => db.heard.filter(m => m.key !== "fence" && m.type !== "pong" && (types.length === 0 || types.includes(m.type)));

export const pushes = (db, key) => of(db, "push").filter(m => key === undefined || m.key === key);

let fences = 0;

// fence waits until everybody has heard all that was said before.
export async function fence(...dbs) {
  for (const one of dbs) await answered(one);
  const n = ++fences;
  push(dbs[0], "fence", n, "relay");
  for (const db of dbs) {
    await poll(`fence ${n}`, () => db.heard.some(m => m.key === "fence" && m.value === n));
    await answered(db);
  }
}

// answered waits until all that a client has sent was taken.
export async function answered(db) {
  const nonce = ++fences;
  db.send({ type: "ping", nonce });
  await poll("pong", () => db.heard.some(m => m.type === "pong" && m.nonce === nonce));
}

// get asks for a key over HTTP.
export async function get(room, key, seq = 0) {
  return (await new HttpConnection(room.http_url).send({ type: "get", key, seq })).data;
}

// socket is a bare WebSocket, whose frames are kept as they come.
export async function socket(url) {
  const ws = new WebSocket(url);
  ws.binaryType = "nodebuffer";
  ws.frames = [];
  ws.on("message", (data, binary) => ws.frames.push(binary ? data : JSON.parse(data)));
  ws.on("close", code => ws.ended = code);
  ws.disconnect = () => ws.terminate();
  open.push(ws);
  await new Promise((resolve, reject) => { ws.on("open", resolve); ws.on("error", reject); });
  return ws;
}

// events reads a room as Server-Sent Events, as curl would.
export async function events(room, { query = "", last } = {}) {
  const stop = new AbortController();
  const url = room.http_url.replace(/send$/, "events") + query;
  const answer = await fetch(url, { signal: stop.signal, headers: last === undefined ? {} : { "Last-Event-ID": last } });
  const got = { status: answer.status, type: answer.headers.get("content-type"), text: "", frames: [], disconnect: () => stop.abort() };
  open.push(got);
  (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of answer.body) {
      got.text += decoder.decode(chunk, { stream: true });
      const blocks = got.text.split("\n\n").slice(0, -1);
      got.frames = blocks.map(block => {
        const frame = {};
        for (const line of block.split("\n")) {
          const at = line.indexOf(":");
          if (at > 0) frame[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
        }
        return frame;
      });
    }
  })().catch(() => {}).finally(() => got.ended = true);
  // The pushes, each with the id that stood last.
  Object.defineProperty(got, "pushes", { get: () => got.frames.filter(f => f.event === "push").map(f => JSON.parse(f.data)) });
  Object.defineProperty(got, "id", { get: () => got.frames.findLast(f => f.id)?.id });
  return got;
}

// present starts a process that tells of itself in a room.
export function present(room, client) {
  const code = `
    globalThis.WebSocket = require("ws");
    const { DbConnection, PresenceListener } = require("driftdb");
    const db = new DbConnection();
    db.connect(process.argv[1]).then(() => new PresenceListener({ db, clientId: process.argv[2], initialState: { here: true } }).subscribe());`;
  const child = spawn(process.execPath, ["-e", code, room.socket_url, client], { cwd: import.meta.dirname, stdio: "ignore" });
  open.push({ disconnect: () => child.kill("SIGKILL") });
  return child;
}
