// The published driftdb-react, unmodified, in jsdom against the gateway: two providers in one room.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { JSDOM } from "jsdom";
import { Api, driftdb, faults, get } from "./driftdb-client.mjs";
import { Gateway, poll } from "./gateway.mjs";

const dom = new JSDOM("<!doctype html><div id=a></div><div id=b></div>", { url: "http://page.example/" });
for (const name of ["window", "document", "navigator", "sessionStorage"]) Object.defineProperty(globalThis, name, { value: name === "window" ? dom.window : dom.window[name], configurable: true, writable: true });
const connect = driftdb.DbConnection.prototype.connect;
driftdb.DbConnection.prototype.connect = function (...args) {
  const p = connect.apply(this, args);
  p.catch(() => {}); // nobody holds the promise of coming back
  return p;
};
const require = createRequire(import.meta.url);
const React = require("react"), { createRoot } = require("react-dom/client");
const { DriftDBProvider, StatusIndicator, useConnectionStatus, useDatabase, useLatency, usePresence, useSharedReducer, useSharedState, useUniqueClientId } = require("driftdb-react");

let gateway, base;
before(async () => {
  gateway = new Gateway({ ROOM_CREATE: "open", ROOM_CREATE_RATE: "10000", ROOM_CREATE_RATE_ALL: "10000", ADMIN_KEY: "rooms-0123456789abcdef", LOG_LEVEL: "error" });
  base = await gateway.start();
});
const roots = [];
after(async () => {
  for (const root of roots) root.unmount();
  await gateway.remove();
  dom.window.close();
});

const sum = (s, n) => ({ total: s.total + n });

// Window is what a page shows; now has the last of it.
function Window({ now }) {
  const [text, setText] = useSharedState("text", "nothing");
  const [state, dispatch] = useSharedReducer("sum", sum, { total: 0 });
  const [at, move] = React.useState({ x: 0 });
  Object.assign(now, {
    text, setText, state, dispatch, move, others: usePresence("mouse", at), status: useConnectionStatus(), latency: useLatency(), id: useUniqueClientId(), db: useDatabase(),
  });
  return React.createElement(StatusIndicator);
}

function mount(where, props) {
  const now = {}, root = createRoot(document.getElementById(where));
  roots.push(root);
  sessionStorage.clear();
  root.render(React.createElement(DriftDBProvider, { api: base, ...props }, React.createElement(Window, { now })));
  return now;
}

test("two providers share state, reducer and presence; status and latency are known", { timeout: 30_000 }, async () => {
  const a = mount("a", {});
  await poll("a", () => a.status?.connected);
  const id = new URL(document.location.href).searchParams.get("_driftdb_room");
  assert.match(id, /^[A-Za-z0-9]{20,}$/);
  const room = await new Api(base).getRoom(id);
  assert.equal(a.status.debugUrl, `https://ui.driftdb.com/?url=${encodeURIComponent(room.socket_url)}`);
  a.setText("before b");
  for (let n = 1; n <= 50; n++) a.dispatch(n);
  const b = mount("b", { room: id, useBinary: true });
  await poll("b", () => b.status?.connected);
  assert.notEqual(a.id, b.id);
  await poll("the text", () => b.text === "before b");
  await poll("the sum", () => b.state.total === 1275 && a.state.total === 1275);

  b.setText({ from: "b", list: [1, null] });
  await poll("b's text", () => a.text?.from === "b");
  assert.deepEqual(a.text, { from: "b", list: [1, null] });
  for (let n = 0; n < 30; n++) { a.setText(n); await sleep(4); }
  await poll("the last text", () => a.text === 29 && b.text === 29);

  for (let n = 0; n < 40; n++) { a.dispatch(1); b.dispatch(10); await sleep(2); }
  a.dispatch(1000); // what others do refreshes what is shown
  await poll("b's sum", () => b.state.total === 1275 + 440 + 1000);
  b.dispatch(1000);
  await poll("a's sum", () => a.state.total === 1275 + 440 + 2000);
  const left = await get(room, "sum");
  assert.ok(left.length <= 62, `${left.length} entries are left of 132`);

  a.move({ x: 5 });
  b.move({ x: 7 });
  await poll("the other's place", () => a.others[b.id]?.value.x === 7 && b.others[a.id]?.value.x === 5);
  assert.deepEqual([Object.keys(a.others), Object.keys(b.others)], [[b.id], [a.id]]);
  assert.deepEqual(await get(room, "mouse"), []);
  const there = async query => (await (await fetch(`${base}/room/${id}/presence${query}`)).json()).map(p => [p.client, p.value.x]).sort();
  await poll("presence on the key of usePresence", async () => JSON.stringify(await there("?key=mouse")) === JSON.stringify([[a.id, 5], [b.id, 7]].sort()));
  assert.deepEqual(await there(""), []);

  // After a loss both come back, and hear each other as before.
  a.db.connection.terminate();
  await poll("the loss", () => !a.status.connected);
  a.setText("said offline");
  await poll("the return", () => a.status.connected, 4000);
  await poll("what was said offline", () => b.text === "said offline");
  b.setText("heard again");
  await poll("b's word", () => a.text === "heard again");

  await poll("latency", () => a.latency > 0 && b.latency > 0, 12_000);
  assert.ok(a.latency < 1000 && b.latency < 1000);
  await poll("the words of the indicator", () => /Connected.*ms\)/.test(document.getElementById("a").textContent));

  roots.pop().unmount();
  await poll("b gone for a", async () => { a.move({ x: Math.random() }); await sleep(200); return a.db.subscriptions && Date.now() - a.others[b.id].lastSeen > 1500; }, 5000);
  assert.deepEqual(faults, []);
});

test("a page with the id of a dropped room works again, and a room may be named", { timeout: 30_000 }, async () => {
  const g = new Gateway({ ROOM_CREATE: "open", ROOM_RETENTION: "1s", ADMIN_KEY: "rooms-0123456789abcdef", LOG_LEVEL: "error" });
  const at = await g.start();
  try {
    const old = await new Api(at).newRoom();
    await fetch(old.http_url, { method: "POST", body: JSON.stringify({ type: "push", key: "text", value: 1, action: { type: "replace" } }) });
    await poll("the room to be dropped", async () => (await fetch(`${at}/room/${old.room}/presence`)).status === 404);
    for (const [id, props] of [[old.room, {}], ["my-room", { room: "my-room" }]]) {
      document.body.innerHTML = "<div id=a></div><div id=b></div>";
      window.history.replaceState({}, "", `http://page.example/?_driftdb_room=${old.room}`);
      const a = mount("a", { api: at, ...props });
      await poll(`a in ${id}`, () => a.status?.connected);
      const b = mount("b", { api: at, ...props });
      await poll(`b in ${id}`, () => b.status?.connected);
      a.setText("again");
      await poll("the text", () => b.text === "again");
      assert.equal(new URL(document.location.href).searchParams.get("_driftdb_room"), old.room);
      assert.deepEqual((await get({ http_url: `${at}/room/${id}/send` }, "text")).map(e => e.value.v), ["again"]);
      roots.pop().unmount();
      roots.pop().unmount();
    }
  } finally {
    await g.remove();
  }
  assert.deepEqual(faults, []);
});
