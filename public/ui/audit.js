// The audit trail: what was done and what was refused, newest first, live.
import { $, el, setText } from "./dom.js";
import { count, idTime, when } from "./format.js";
import { session } from "./session.js";
import { Follow } from "./stream.js";

const most = 500;
const every = 200; // milliseconds between drawings
const words = new Set(["gap", "expired", "busy", "live", "end", "message", "ping"]); // frames of the stream itself

let follow = null, credential = null, onstate;
let rows = []; // {element, text}, newest last
let waiting = []; // entries that are not drawn yet
let timer = 0, reached = false;

function row({ id, action, entry }) {
  const refused = entry.outcome !== "ok";
  const target = [entry.target, entry.detail].filter(Boolean).join(", ");
  const tr = el("tr", { title: entry.request_id ? `request ${entry.request_id}` : undefined },
    el("td", {}, when(idTime(id))),
    el("th", { scope: "row", class: "mono", text: action }),
    el("td", { class: refused ? "bad" : "", text: `${entry.outcome}${entry.count > 1 ? ` × ${count(entry.count)}` : ""}` }),
    el("td", { class: entry.who ? "" : "none" }, el("bdi", { text: entry.who || "–" }), " ", entry.kind && entry.kind !== entry.who ? el("span", { class: "chip", text: entry.kind }) : ""),
    el("td", {}, el("bdi", { class: "mono", text: entry.from || "–" }), " ", el("span", { class: "chip", title: "the door that it came by", text: entry.door })),
    el("td", { class: target ? "wrap" : "none" }, el("bdi", { text: target || "–" })));
  return { element: tr, text: [action, entry.who, entry.kind, entry.from, entry.door, target, entry.outcome, entry.request_id].join(" ").toLowerCase() };
}

function take(frame) {
  if (frame.type === "live") reached = true;
  if (!words.has(frame.type)) {
    const { event, data } = JSON.parse(frame.data);
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
  $("audit-rows").prepend(fresh);
  while (rows.length > most) rows.shift().element.remove();
  tell();
}

function tell() {
  const found = rows.filter(one => !one.element.hidden).length;
  $("audit-table").hidden = !found;
  const all = `${count(rows.length)}${rows.length >= most ? ", the newest" : ""}`;
  setText($("audit-count"), !rows.length ? "" : found === rows.length ? all : `${count(found)} of ${all} match`);
  setText($("audit-none"), found ? "" : rows.length ? "No entry among these matches the filter." : reached ? "Nothing was done or refused yet." : "");
}

function filter() {
  for (const one of rows) one.element.hidden = !matches(one);
  tell();
}

// auditChanged follows the trail with another admin key.
export function auditChanged() {
  if (session.admin?.value === credential?.value) return;
  follow?.close();
  follow = null;
  rows = [];
  waiting = [];
  reached = false;
  $("audit-rows").replaceChildren();
  credential = session.admin;
  onstate({ name: "off", text: "" });
  drawAudit();
}

// drawAudit begins to follow when the view is opened for the first time.
export function drawAudit() {
  if (credential && !follow && !$("audit").hidden)
    follow = new Follow(`/admin/audit?frames=name&from=-${most}`, { credential, onframe: take, onstate });
  draw();
}

export const reconnectAudit = () => follow?.again();

export function startAudit(state) {
  onstate = state;
  $("audit-filter").addEventListener("input", filter);
  document.addEventListener("visibilitychange", draw);
  addEventListener("online", reconnectAudit);
}
