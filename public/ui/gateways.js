// The table of the gateways of a cluster. A gateway alone has none.
import { $, el, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { count, setWhen, when } from "./format.js";
import { session } from "./session.js";

const every = 2000; // milliseconds

let clustered = false, timer = 0;

// condition is one word for a gateway, and why it needs a look.
function condition(g) {
  if (g.twice) return "two gateways have this name: set CLUSTER_NODE";
  if (g.away) return `silent for ${Math.round(g.seen_ms / 1000)} s`;
  if (!g.ready) return "not ready";
  if (Math.abs(g.clock_off_ms) > 30_000) return `clock is off by ${Math.round(g.clock_off_ms / 1000)} s`;
  return "ready";
}

function row(g) {
  return el("tr", {},
    el("th", { scope: "row" }, el("bdi", { text: g.node }), g.self ? " (this one)" : ""),
    el("td"),
    el("td", { class: "number" }),
    el("td", { class: "number" }),
    el("td", { class: "number" }),
    el("td", {}, when(new Date(g.started))),
    el("td", { class: "mono", text: g.version }));
}

function update(tr, g) {
  const [, state, place, behind, connections, started, version] = tr.children;
  const word = condition(g);
  setText(state, word);
  state.classList.toggle("hot", word !== "ready");
  setText(place, count(g.place));
  setText(behind, count(g.behind));
  setText(connections, count(g.connections));
  setWhen(started.firstChild, new Date(g.started));
  setText(version, g.version);
}

function draw({ journal, nodes }) {
  reconcile($("gateways-rows"), nodes, g => g.node, row, update);
  setText($("gateways-journal"), journal.error ? `Journal: ${journal.error}` : `Journal at ${count(journal.last)}, led by ${journal.leader || "its only server"}`);
  $("gateways-journal").classList.toggle("hot", Boolean(journal.error));
}

async function load() {
  clearTimeout(timer);
  timer = 0;
  $("gateways").hidden = !clustered;
  if (!clustered || !session.admin || document.hidden || $("overview").hidden) return;
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
  if (clustered === Boolean(stats.cluster)) return;
  clustered = Boolean(stats.cluster);
  drawGateways();
}

export const startGateways = () => document.addEventListener("visibilitychange", drawGateways);
