// The table of connected clients, each of which can be found and cut. Of thousands, groups show first where they are.
import { $, act, el, message, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { confirm } from "./dialog.js";
import { bytes, count, milliseconds, setWhen, when } from "./format.js";
import { Pages } from "./pages.js";
import { onSession, session } from "./session.js";

const every = 2000; // milliseconds, and more where there are many

const groupings = [["", "Each"], ["key", "By key"], ["channel", "By channel"]];
const orders = [["lag", "Slowest first"], ["", "Newest first"]];
const grouped = 5000; // milliseconds between looks at groups, for which the gateway goes through all connections

let pages, timer = 0, node = "", by = "", order = "lag", inside = null; // inside: the group whose clients show, null for none

const path = id => `/admin/connections/${encodeURIComponent(id)}`;

function row(c) {
  const cut = el("button", { type: "button", class: "quiet danger", "aria-label": `Cut ${c.who || "client"} from ${c.from}`, text: "Cut", onclick: () => sever(c) });
  return el("tr", {},
    el("th", { scope: "row" }, el("bdi", { text: c.who || "–" }), " ", el("span", { class: "chip", text: c.kind }), c.node ? ` at ${c.node}` : ""),
    el("td", { class: "mono", text: c.from }),
    el("td", {}, when(new Date(c.since))),
    el("td", { class: "mono wrap" }, el("bdi", { text: c.channels })),
    el("td", { class: "number" }),
    el("td", {}, cut));
}

function update(tr, c) {
  setWhen(tr.querySelector("time"), new Date(c.since));
  setText(tr.children[3].firstChild, c.channels);
  const lag = tr.children[4];
  setText(lag, c.lag_ms ? milliseconds(c.lag_ms) : "–");
  lag.classList.toggle("hot", c.lag_ms > 1000);
}

function groupRow(g) {
  return el("tr", {},
    el("th", { scope: "row", class: "wrap" }, el("button", { type: "button", class: "link", title: "Show its clients", onclick: () => enter(g) }, el("bdi", { text: g.name || "–" })), " ", g.kind ? el("span", { class: "chip", text: g.kind }) : ""),
    ...Array.from({ length: 4 }, () => el("td", { class: "number" })));
}

function updateGroup(tr, g) {
  const texts = [count(g.connections), g.lagging ? count(g.lagging) : "–", g.lag_ms ? milliseconds(g.lag_ms) : "–", bytes(g.bytes)];
  texts.forEach((text, i) => setText(tr.children[i + 1], text));
  for (const i of [2, 3]) tr.children[i].classList.toggle("hot", g.lagging > 0);
}

const groups = () => Boolean(by && !inside);

function draw(entries) {
  reconcile($("clients-rows"), groups() ? [] : entries, c => c.id, row, update);
  reconcile($("groups-rows"), groups() ? entries : [], g => g.group, groupRow, updateGroup);
  $("clients-table").hidden = groups() || !entries.length;
  $("groups-table").hidden = !groups() || !entries.length;
}

// regroup shows other groups, or the clients of one.
function regroup(to, group = null) {
  by = to;
  inside = group;
  for (const [name] of groupings) $(`group-${name || "each"}`).checked = name === by;
  setText($("groups-name"), by === "channel" ? "Channels" : "Key");
  $("group-back").hidden = !inside;
  $("order").hidden = groups();
  setText($("group-back"), inside ? `All groups (this is ${inside.name || "–"})` : "");
  pages.all = groups() ? "groups" : inside ? "connected in all" : "connected";
  pages.forget();
  void load();
}

// reorder chooses which clients come first.
function reorder(to) {
  order = to;
  for (const [name] of orders) $(`order-${name || "newest"}`).checked = name === order;
  regroup(by, inside);
}

// showSlowest leads to the client that is the most behind, also where something else was chosen.
export function showSlowest() {
  $("clients-filter").value = "";
  by = "";
  inside = null;
  reorder("lag");
  $("clients-title").focus();
}

function enter(g) {
  $("clients-filter").value = "";
  regroup(by, g);
  $("clients-title").focus();
}

async function sever(c) {
  if (!await confirm(`Cut ${c.who || c.id}?`, `The connection from ${c.from} ends now. The client may connect again: to prevent that, revoke its key.`, "Cut")) return;
  try {
    await call("DELETE", path(c.id), { credential: session.admin });
    message($("clients-answer"), `${c.who || c.id} was cut.`);
  } catch (e) {
    if (e.status !== 404) return message($("clients-answer"), e.message, true);
    message($("clients-answer"), `${c.who || c.id} was already disconnected.`);
  }
  $("clients-title").focus();
  await load();
}

// look is for the clients of another gateway, or of all.
function look() {
  node = session.node;
  setText($("clients-title"), node ? `Clients of ${node}` : "Clients");
  pages.forget();
}

// load asks anew while the table can be seen.
async function load() {
  clearTimeout(timer);
  timer = 0;
  if (!session.admin || document.hidden || $("overview").hidden) return;
  if (session.node !== node) look();
  await pages.load();
  timer ||= setTimeout(load, Math.max(groups() ? grouped : every, pages.total / 10));
}

export const drawClients = () => void load();

export function startClients() {
  pages = new Pages({
    path: "/admin/connections", search: $("clients-filter"), count: $("clients-count"), place: $("clients-pages"), draw,
    none: "Nobody is connected.", all: "connected", also: () => ({ ...node && { node }, ...by && { group: by }, ...inside && { in: inside.group }, ...order && !groups() && { sort: order } }),
  });
  const choice = (name, id, checked, onchange, text) => el("label", {}, el("input", { type: "radio", name, id, checked, onchange }), el("span", { text }));
  reconcile($("groupings"), groupings, ([name]) => name, ([name, text]) => choice("grouping", `group-${name || "each"}`, name === by, () => regroup(name), text));
  reconcile($("orders"), orders, ([name]) => name, ([name, text]) => choice("order", `order-${name || "newest"}`, name === order, () => reorder(name), text));
  act($("group-back"), "click", () => regroup(by));
  onSession(drawClients);
  document.addEventListener("visibilitychange", drawClients);
}
