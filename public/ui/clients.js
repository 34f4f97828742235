// The table of connected clients, each of which can be found and cut.
import { $, el, message, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { confirm } from "./dialog.js";
import { milliseconds, setWhen, when } from "./format.js";
import { Pages } from "./pages.js";
import { onSession, session } from "./session.js";

const every = 2000; // milliseconds, and more where there are many

let pages, timer = 0, node = "";

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

function draw(entries) {
  reconcile($("clients-rows"), entries, c => c.id, row, update);
  $("clients-table").hidden = !entries.length;
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
  timer ||= setTimeout(load, Math.max(every, pages.total / 10));
}

export const drawClients = () => void load();

export function startClients() {
  pages = new Pages({
    path: "/admin/connections", search: $("clients-filter"), count: $("clients-count"), place: $("clients-pages"), draw,
    none: "Nobody is connected.", all: "connected", also: () => node ? { node } : {},
  });
  onSession(drawClients);
  document.addEventListener("visibilitychange", drawClients);
}
