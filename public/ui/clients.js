// The table of connected clients, each of which can be cut.
import { $, el, message, reconcile, setText } from "./dom.js";
import { call, ask } from "./api.js";
import { confirm } from "./dialog.js";
import { count, milliseconds, setWhen, when } from "./format.js";
import { session } from "./session.js";

const every = 2000; // milliseconds, and more where the list is long
const shown = 200;

let connections = [], total = 0, timer = 0;

const path = id => `/admin/connections/${encodeURIComponent(id)}`;

function row(c) {
  const cut = el("button", { type: "button", class: "quiet danger", "aria-label": `Cut ${c.who || "client"} from ${c.from}`, text: "Cut", onclick: () => sever(c) });
  return el("tr", {},
    el("th", { scope: "row" }, el("bdi", { text: c.who || "–" }), " ", el("span", { class: "chip", text: c.kind })),
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

function draw() {
  const want = $("clients-filter").value.trim().toLowerCase();
  const found = connections.filter(c => !want || [c.who, c.kind, c.from, c.channels].join(" ").toLowerCase().includes(want));
  found.sort((a, b) => Date.parse(b.since) - Date.parse(a.since) || a.id.localeCompare(b.id));
  reconcile($("clients-rows"), found.slice(0, shown), c => c.id, row, update);
  $("clients-table").hidden = !found.length;
  const part = found.length > shown ? `, the newest ${shown} are shown` : "";
  const text = total === 0 ? "Nobody is connected." : want ? `${count(found.length)} of ${count(total)} match${part}` : `${count(total)} connected${part}`;
  setText($("clients-count"), text);
}

async function sever(c) {
  if (!await confirm(`Cut ${c.who || c.id}?`, `The connection from ${c.from} ends now. The client may connect again: to keep it out, revoke its key.`, "Cut")) return;
  try {
    await call("DELETE", path(c.id), { credential: session.admin });
    message($("clients-answer"), `${c.who || c.id} was cut.`);
  } catch (e) {
    if (e.status !== 404) return message($("clients-answer"), e.message, true);
    message($("clients-answer"), `${c.who || c.id} had left already.`);
  }
  connections = connections.filter(other => other.id !== c.id);
  $("clients-title").focus();
  draw();
  load();
}

// load asks anew while the table can be seen.
async function load() {
  clearTimeout(timer);
  timer = 0;
  if (!session.admin || document.hidden || $("overview").hidden) return;
  const credential = session.admin;
  try {
    const response = await ask("GET", "/admin/connections", { credential });
    const list = response.ok ? await response.json() : [];
    if (credential !== session.admin) return;
    connections = list;
    total = Number(response.headers.get("x-total-count") ?? 0); // the list has the newest thousand
    draw();
  } catch {
    // The state of the statistics' stream tells it already.
  }
  timer ||= setTimeout(load, Math.max(every, connections.length * 10));
}

export const drawClients = load;

export function startClients() {
  $("clients-filter").addEventListener("input", draw);
  document.addEventListener("visibilitychange", load);
}
