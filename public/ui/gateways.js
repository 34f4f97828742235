// The table of the gateways of a cluster, each of which can be looked at. A gateway alone has none.
import { $, act, el, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { count, setWhen, when } from "./format.js";
import { reconnectStats } from "./overview.js";
import { lookAt, onSession, session } from "./session.js";

const every = 2000; // milliseconds

let clustered = false, timer = 0;

// condition is one word for a gateway, and why it needs a look.
export function condition(g) {
  if (g.twice) return "two gateways have this name: set CLUSTER_NODE";
  if (g.away) return `silent for ${Math.round(g.seen_ms / 1000)} s`;
  if (!g.ready) return "not ready";
  if (Math.abs(g.clock_off_ms) > 30_000) return `clock is off by ${Math.round(g.clock_off_ms / 1000)} s`;
  return "ready";
}

// look shows a gateway's figures, which are above the table.
function look(node) {
  lookAt(node);
  $("overview-title").focus();
}

function row(g) {
  const choose = el("button", { type: "button", class: "link", title: "Show the figures and clients of this gateway", text: g.node, onclick: () => look(g.node) });
  return el("tr", {},
    el("th", { scope: "row" }, choose, g.self ? " (this one)" : ""),
    el("td", { "data-label": "State" }),
    el("td", { class: "number", "data-label": "Place" }),
    el("td", { class: "number", "data-label": "Behind" }),
    el("td", { class: "number", "data-label": "Clients" }),
    el("td", { "data-label": "Started" }, when(new Date(g.started))),
    el("td", { class: "mono", "data-label": "Version", text: g.version }));
}

function update(tr, g) {
  const [name, state, place, behind, connections, started, version] = tr.children;
  if (g.node === session.node) name.firstChild.setAttribute("aria-current", "true");
  else name.firstChild.removeAttribute("aria-current");
  const word = condition(g);
  setText(state, word);
  state.classList.toggle("hot", word !== "ready");
  setText(place, count(g.place));
  setText(behind, count(g.behind));
  setText(connections, count(g.connections));
  setWhen(started.firstChild, new Date(g.started));
  setText(version, g.version);
}

function draw({ journal, nodes, writes, older }) {
  reconcile($("gateways-rows"), nodes, g => g.node, row, update);
  setText($("gateways-journal"), journal.error ? `Journal: ${journal.error}` : `Journal at ${count(journal.last)}, led by ${journal.leader || "its only server"}` +
    (older?.length ? `. Format ${writes} is written until these are upgraded: ${older.join(", ")}` : ""));
  $("gateways-journal").classList.toggle("hot", Boolean(journal.error));
  // A gateway that was unknown may have started again.
  if ($("stats-state").dataset.state === "refused" && nodes.some(g => g.node === session.node)) reconnectStats();
}

async function load() {
  clearTimeout(timer);
  timer = 0;
  const shown = clustered || Boolean(session.node); // a gateway that was chosen may not answer
  $("gateways").hidden = !shown;
  if (!shown || !session.admin || document.hidden || $("overview").hidden) return;
  try {
    draw(await call("GET", "/admin/cluster", { credential: session.admin }));
  } catch (e) {
    setText($("gateways-journal"), e.message);
  }
  timer ||= setTimeout(load, every);
}

export const drawGateways = () => void load();

// gatewaysOf takes the figures of the gateway: they say whether it is in a cluster.
export function gatewaysOf(stats) {
  if (clustered === Boolean(stats.node)) return;
  clustered = Boolean(stats.node);
  drawGateways();
}

export function startGateways() {
  act($("whose-all"), "click", () => look(""));
  document.addEventListener("visibilitychange", drawGateways);
  onSession(drawGateways);
}
