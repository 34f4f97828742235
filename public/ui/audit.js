// The audit trail: what was done and what was refused, newest first, live.
import { $, act, el, message, setText } from "./dom.js";
import { allow } from "./allow.js";
import { lines } from "./api.js";
import { count, counted, idTime, when } from "./format.js";
import { session } from "./session.js";
import { Follow } from "./stream.js";

const most = 500;
const every = 200; // milliseconds between drawings
const words = new Set(["gap", "expired", "busy", "live", "end", "message", "ping"]); // frames of the stream itself

let follow = null, credential = null, onstate;
let rows = []; // {element, text}, newest last
let waiting = []; // entries that are not drawn yet
let past = null; // the same, of a page of older entries, newest first
let received = 0, begin = 0; // how many came live, and where among them, counted back, that page begins
let timer = 0, reached = false, fault = "";

function row({ id, action, entry }) {
  const refused = entry.outcome !== "ok";
  const help = refused ? allow(entry.outcome, entry.door) : "";
  const target = [entry.target, entry.detail].filter(Boolean).join(", ");
  const tr = el("tr", { title: entry.request_id ? `request ${entry.request_id}` : undefined },
    el("td", {}, when(idTime(id))),
    el("th", { scope: "row", class: "mono", text: action }),
    el("td", { class: refused ? "bad" : "", text: `${entry.outcome}${entry.count > 1 ? ` × ${count(entry.count)}` : ""}` }),
    el("td", { "data-label": "Who", class: entry.who ? "" : "none" }, el("bdi", { text: entry.who || "–" }), " ", entry.kind && entry.kind !== entry.who ? el("span", { class: "chip", text: entry.kind }) : ""),
    el("td", { "data-label": "From" }, el("bdi", { class: "mono", text: entry.from || "–" }), " ", el("span", { class: "chip", title: "the door that the request used", text: entry.door })),
    el("td", { "data-label": target ? "To what" : null, class: target || help ? "wrap" : "none" }, el("bdi", { text: target || (help ? "" : "–") }), help ? el("p", { class: "dim", text: help }) : ""));
  return { id, element: tr, text: [action, entry.who, entry.kind, entry.from, entry.door, target, entry.outcome, entry.request_id].join(" ").toLowerCase() };
}

function take(frame) {
  if (frame.type === "live") reached = true;
  if (!words.has(frame.type)) {
    const { event, data } = JSON.parse(frame.data);
    received++;
    waiting.push({ id: frame.id, action: event, entry: data });
    if (waiting.length > most) waiting.shift();
  }
  timer ||= setTimeout(draw, every);
}

const matches = one => one.text.includes($("audit-filter").value.trim().toLowerCase());

function draw() {
  timer = 0;
  if (document.hidden || $("audit").hidden) return;
  const fresh = document.createDocumentFragment();
  for (const one of waiting.map(row)) {
    one.element.hidden = !matches(one);
    fresh.prepend(one.element);
    rows.push(one);
  }
  waiting = [];
  if (!past) $("audit-rows").prepend(fresh);
  while (rows.length > most) rows.shift().element.remove();
  render();
}

// older reads the page before what is shown from the gateway; what comes meanwhile waits. The gateway counts back from the
// newest entry, so those that this page knows of are counted too, and some that may have come meanwhile.
async function older() {
  const first = past ? past.at(-1) : rows[0];
  const place = past ? begin : received - rows.length - waiting.length;
  const asked = credential;
  try {
    const page = (await lines(`/admin/audit?from=-${received - place + most + 100}&until=${first.id}`, { credential })).slice(-most);
    if (asked !== credential) return;
    begin = place - page.length;
    past = page.reverse().map(({ id, event, data }) => row({ id, action: event, entry: data }));
    $("audit-rows").replaceChildren(...past.map(one => one.element));
    message($("audit-fault"), "");
    filter();
    $("audit-title").focus();
  } catch (e) {
    message($("audit-fault"), `Older entries cannot be read: ${e.message}`, true);
  }
}

function newest() {
  past = null;
  $("audit-rows").replaceChildren(...rows.map(one => one.element).reverse());
  message($("audit-fault"), "");
  filter();
}

function render() {
  const shown = past ?? rows;
  const found = shown.filter(one => !one.element.hidden).length;
  $("audit-table").hidden = !found;
  const full = shown.length >= most;
  const all = past ? counted(past.length, "older entry", "older entries") : `${counted(rows.length, "entry", "entries")}${full ? ", more follow" : ""}`;
  setText($("audit-count"), !shown.length ? "" : found === shown.length ? all : `${count(found)} of ${count(shown.length)} match${full ? ", more follow" : ""}`);
  setText($("audit-none"), found ? "" : shown.length ? "No entry among these matches the filter."
    : fault ? `The audit trail cannot be read: ${fault}` : past ? "There is no older entry." : reached ? "No action and no refusal yet." : "");
  $("audit-newest").hidden = !past;
  $("audit-older").hidden = !full;
}

function filter() {
  for (const one of past ?? rows) one.element.hidden = !matches(one);
  render();
}

// state knows why nothing comes, so that an empty table is not taken for an empty trail.
function state(s) {
  fault = s.name === "waiting" || s.name === "refused" ? s.text : "";
  render();
  onstate(s);
}

// auditChanged follows the trail with another admin key.
export function auditChanged() {
  if (session.admin?.value === credential?.value) return;
  follow?.close();
  follow = null;
  rows = [];
  waiting = [];
  past = null;
  reached = false;
  fault = "";
  $("audit-rows").replaceChildren();
  credential = session.admin;
  onstate({ name: "off", text: "" });
  drawAudit();
}

// drawAudit begins to follow when the view is opened for the first time.
export function drawAudit() {
  if (credential && !follow && !$("audit").hidden)
    follow = new Follow(`/admin/audit?frames=name&from=-${most}`, { credential, onframe: take, onstate: state });
  draw();
}

export const reconnectAudit = () => follow?.again();

export function startAudit(tellState) {
  onstate = tellState;
  act($("audit-older"), "click", older, { again: true });
  act($("audit-newest"), "click", newest);
  $("audit-filter").addEventListener("input", filter);
  document.addEventListener("visibilitychange", draw);
  addEventListener("online", reconnectAudit);
}
