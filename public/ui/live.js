// The live list of events: what the key sees, newest first, at most 500.
import { $, setText } from "./dom.js";
import { copier, watchLine } from "./curl.js";
import { count } from "./format.js";
import { eventRow, notice, told } from "./row.js";
import { claimsOf, session } from "./session.js";
import { Follow } from "./stream.js";

const most = 500;
const mostText = 8 << 20; // of characters: events may have 64 KiB each
const every = 200; // milliseconds between drawings
const words = new Set(["gap", "expired", "busy", "live", "end", "init", "ping"]);

let follow = null, credential = null, onstate;
let rows = []; // {element, text}, newest last
let waiting = []; // not drawn yet: the same, without element
let paused = false, received = 0, held = 0, size = 0, timer = 0, broken = false, reached = false;

const channels = () => $("channels").value.split(",").map(s => s.trim()).filter(Boolean).join(",");

// address asks for frames by name, and for some history; Last-Event-ID replaces it on reconnection.
function address() {
  const query = new URLSearchParams();
  if (channels()) query.set("channels", channels());
  if ($("history").value) query.set("from", $("history").value);
  return `/realtime?${query}`;
}

function put(row) {
  waiting.push(row);
  if (waiting.length > most) waiting.shift();
  timer ||= setTimeout(draw, every);
}

function take(frame) {
  if (frame.type === "ping" || frame.type === "message") return;
  if (words.has(frame.type)) {
    if (frame.type === "live" && reached) return; // after a reconnection, which has a row of its own
    reached ||= frame.type === "live";
    const element = told(frame);
    if (element) put({ element, text: "" });
    return;
  }
  received++;
  if (paused) held++;
  put({ frame, text: frame.data });
}

function draw() {
  timer = 0;
  setText($("pause"), paused ? `Resume${held ? ` (${count(held)} waiting)` : ""}` : "Pause");
  setText($("received"), `${count(received)} received${rows.length >= most ? `, the newest ${count(most)} are kept` : ""}`);
  if (!paused && !document.hidden && !$("events").hidden) flush(); // what is not seen waits, the newest 500 of it
  $("nothing").hidden = rows.some(r => !r.element.hidden);
  setText($("nothing"), rows.length ? "No event among these matches the filter." : "No event yet. Publish one, or wait.");
}

function flush() {
  const fresh = document.createDocumentFragment();
  for (const row of waiting) {
    row.element ??= eventRow(row.frame);
    delete row.frame;
    row.element.hidden = !matches(row);
    fresh.prepend(row.element);
    rows.push(row);
    size += row.text.length;
  }
  waiting = [];
  // Who reads further down, or has an event open, keeps the place.
  const list = $("event-list").parentElement;
  const held = list.scrollTop > 0 || list.querySelector("details[open]");
  const height = list.scrollHeight;
  $("event-list").prepend(fresh);
  if (held) list.scrollTop += list.scrollHeight - height;
  while (rows.length > most || size > mostText && rows.length > 1) {
    const old = rows.shift();
    size -= old.text.length;
    old.element.remove();
  }
}

const matches = row => !row.text || row.text.toLowerCase().includes($("filter").value.trim().toLowerCase());

function filter() {
  for (const row of rows) row.element.hidden = !matches(row);
  draw();
}

function pause() {
  paused = !paused;
  held = 0;
  $("pause").setAttribute("aria-pressed", String(paused));
  draw();
}

function clear() {
  rows = [];
  waiting = [];
  received = held = size = 0;
  $("event-list").replaceChildren();
  draw();
}

// state tells reconnections in the list too, once for each time that the stream breaks.
function state(s) {
  if (s.name === "waiting" && !broken) {
    broken = true;
    if (!s.told) put({ element: notice("waiting", `Reconnecting: ${s.text}`), text: "" });
  } else if (s.name === "live" && broken) {
    broken = false;
    put({ element: notice("live", follow.frames.lastId ? `Connected again, goes on after ${follow.frames.lastId}` : "Connected again"), text: "" });
  } else if (s.name === "refused") {
    broken = false;
    put({ element: notice("refused", `Refused: ${s.text}`), text: "" });
  }
  onstate(s);
}

// sees says which channels the stream is about, as far as the page can know.
function sees() {
  const asked = channels();
  const claims = credential.kind === "token" ? claimsOf(credential.value) : null;
  const grant = claims && (Array.isArray(claims.realtime) ? claims.realtime : claims.realtime?.sub);
  let text = asked ? `Asked for ${asked.replaceAll(",", ", ")}.` : "Shows every channel that this credential may see.";
  if (Array.isArray(grant)) text += ` The token names ${grant.join(", ") || "none"}.`;
  if (Number.isFinite(claims?.exp)) text += ` It expires ${new Date(claims.exp * 1000).toLocaleString()}.`;
  setText($("sees"), text);
}

// connect opens the stream anew, from the form's channels and history.
export function connect() {
  follow?.close();
  follow = null;
  broken = reached = false;
  credential = session.key;
  if (!credential) return onstate({ name: "off", text: "" });
  sees();
  follow = new Follow(address(), { credential, onframe: take, onstate: state });
}

export const drawLive = draw;

export const reconnect = () => follow?.again();

export function startLive(tell) {
  onstate = tell;
  $("watch").addEventListener("submit", e => {
    e.preventDefault();
    clear();
    connect();
  });
  $("filter").addEventListener("input", filter);
  $("pause").addEventListener("click", pause);
  $("clear").addEventListener("click", clear);
  $("watch-tools").append(copier(() => watchLine(session.key, channels()), { label: "Copy as curl", name: "Copy this stream as a curl line" }));
  addEventListener("online", reconnect);
  document.addEventListener("visibilitychange", draw);
  draw();
}

// keyChanged connects where the key is another one.
export function keyChanged() {
  if (session.key?.value === credential?.value && follow) return;
  clear();
  connect();
}
