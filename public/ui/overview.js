// The administrator's overview: figures and charts from /admin/stats, once a second.
import { $, el, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { Chart, History } from "./charts.js";
import { showSlowest } from "./clients.js";
import { bytes, count, duration, milliseconds, rate } from "./format.js";
import { session } from "./session.js";
import { Follow } from "./stream.js";

const spans = [60, 300, 900, 3600];
const counters = ["events", "deliveries"];

const charts = [
  new Chart({ title: "Connections", value: p => p.connections, show: count, note: p => p.stats && kinds(p.stats.connections_by_kind) }),
  new Chart({ title: "Events a second", value: p => p.eventsRate, show: rate, note: p => p.stats && `${count(p.stats.events)} since the start` }),
  new Chart({ title: "Deliveries a second", value: p => p.deliveriesRate, show: rate, note: p => p.stats && `${count(p.stats.deliveries)} since the start` }),
  new Chart({
    title: "Lag of the slowest", value: p => p.lag, show: milliseconds, least: 10, lead: { when: p => p.stats?.lagging > 0, open: showSlowest },
    note: p => p.stats && (p.stats.lagging ? `${count(p.stats.lagging)} behind` : "nobody is behind"),
  }),
  new Chart({ title: "Log", value: p => p.log, show: bytes, least: 1 << 20, base: 1024, note: p => p.stats && retention(p.stats.log) }),
  new Chart({ title: "Memory", value: p => p.rss, show: bytes, least: 64 << 20, base: 1024, note: p => p.stats && `resident; heap ${bytes(p.stats.memory.heap)}` }),
];

// tiles are {title, show, hot}: hot are counters that deserve a look when they grow.
const tiles = [
  { title: "Gaps", of: s => s.gaps, hot: true, about: "gap events sent to clients that missed events" },
  { title: "Slow clients", of: s => s.slow, hot: true, about: "connections closed because they accepted no byte for too long" },
  { title: "Busy answers", of: s => s.busy, hot: true, about: "streams refused for now: too many streams, or the gateway is draining" },
  { title: "Refused publishes", of: s => s.refused, hot: true, about: "publishes refused because of their credential, their content or a limit" },
  { title: "Replayed", of: s => s.replayed, about: "events sent from the log to clients that reconnected" },
  { title: "Sent", of: s => s.bytes, show: bytes, about: "bytes of streams" },
  { title: "Filters", of: s => s.views, about: "different filters that the open streams share" },
  { title: "Goroutines", of: s => s.goroutines, about: "of the process" },
];

let follow = null, credential = null, node = "", past = new History(), last = null, chosen = 0, onstate, ondata;

function retention(log) {
  const age = log.events ? log.oldest_seconds : 0;
  return `${share(log)} of ${bytes(log.retain_bytes)}, ${duration(age)} of ${duration(log.retain_seconds)}`;
}

// uses explains each kind of connection.
const uses = {
  stream: "streams of new events", history: "streams of stored events, such as this page's list", feed: "streams of a database",
  "room stream": "streams of a room", "room socket": "WebSockets of a room", "directus socket": "WebSockets of Directus' clients",
  "over TLS": "connections that the gateway itself encrypts", "over HTTP/2": "connections over HTTP/2, which the gateway itself encrypts",
};

// kinds lists the connections by what they are for, the most first, and how many of them are not in clear text.
function kinds(byKind = {}) {
  const add = counts => Object.values(counts).reduce((sum, n) => sum + n, 0);
  const list = Object.entries(byKind).map(([kind, over]) => [kind.replace("_", " "), add(over)]).sort((a, b) => b[1] - a[1]);
  const others = [["TLS", "tls"], ["HTTP/2", "http2"]].map(([name, over]) => [`over ${name}`, add(Object.values(byKind).map(counts => counts[over] ?? 0))]);
  return [...list, ...others].filter(([, n]) => n).map(([name, n]) => ({ text: `${name} ${count(n)}`, about: uses[name] ?? name }));
}

function share(log) {
  const percent = log.retain_bytes ? log.bytes / log.retain_bytes * 100 : 0;
  return percent === 0 || percent >= 1 ? `${Math.round(percent)} %` : percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(1)} %`;
}

// whole are the figures that show. In a cluster these are the sums of all gateways where there are sums, or those of one.
const whole = stats => stats.cluster ? { ...stats, ...stats.cluster } : stats;

// addends are the gateways whose counters the sums have. With others, the sums are not compared.
const addends = s => s.cluster ? `${s.nodes} without ${s.missing}` : s.node;

// point makes rates of the counters, which begin anew when the gateway does.
function point(stats) {
  const at = Date.parse(stats.time);
  const p = { at, connections: stats.connections, addends: addends(stats), lag: stats.lag_ms, log: stats.log.bytes, rss: stats.memory.rss, stats };
  const seconds = last && last.started === stats.started && addends(last) === p.addends ? (at - Date.parse(last.time)) / 1000 : 0;
  if (seconds > 0) for (const name of counters) p[`${name}Rate`] = Math.max(0, stats[name] - last[name]) / seconds;
  return p;
}

// remember fills the charts with what the gateway has kept.
async function remember(credential, node) {
  let got;
  try {
    got = await call("GET", `/admin/stats/history${node ? `?${new URLSearchParams({ node })}` : ""}`, { credential });
  } catch {
    return; // the stream of figures says what is wrong
  }
  if (credential !== session.admin || node !== session.node) return;
  const now = Date.parse(got.time);
  const points = got.samples.map(s => ({
    at: now - s.age * 1000, connections: s.connections, eventsRate: s.events / s.seconds, deliveriesRate: s.deliveries / s.seconds,
    lag: s.lag_ms, log: s.log_bytes, rss: s.rss,
  }));
  past.before(points);
  draw();
}

function take(frame) {
  if (frame.type !== "stats") return;
  const stats = whole(JSON.parse(frame.data));
  const p = point(stats);
  const before = past.points.at(-1);
  if (before && p.at <= before.at) past = new History(); // the server's clock was set back
  else if (before && p.at - before.at > 5000) past.add({ at: before.at + 1 });
  else if (before && !last) for (const name of counters) p[`${name}Rate`] ??= before[`${name}Rate`]; // the gateway's own, a second ago
  if (before?.stats) delete before.stats;
  past.add({ ...p, counts: tiles.map(t => t.of(stats)) });
  last = stats;
  ondata(stats);
  draw();
}

function draw() {
  if (!last || document.hidden || $("overview").hidden) return;
  const span = chosen || spans.slice(0, 3).find(s => s >= past.age) || 900;
  $(`span-${span}`).checked = true;
  for (const chart of charts) chart.draw(past.points, span);
  drawTiles();
  drawWhose();
  setText($("uptime"), `Version ${last.version}, up for ${duration((Date.parse(last.time) - Date.parse(last.started)) / 1000)}`);
  const meter = $("log-meter");
  const percent = Math.min(100, last.log.bytes / (last.log.retain_bytes || 1) * 100);
  meter.setAttribute("aria-valuenow", percent.toFixed(1));
  meter.setAttribute("aria-valuetext", `${bytes(last.log.bytes)} of ${bytes(last.log.retain_bytes)}`);
  meter.firstChild.style.width = `${percent}%`;
}

// drawWhose says of which gateways the figures are.
function drawWhose() {
  $("whose").hidden = !node && !last?.cluster;
  $("whose-all").hidden = !node;
  if (node) return setText($("whose-text"), `Figures and clients of gateway ${node}`);
  if (!last?.cluster) return setText($("whose-text"), "");
  const missing = last.missing.length ? `, without ${last.missing.join(", ")}` : "";
  setText($("whose-text"), `Sums of ${count(last.nodes)} ${last.nodes === 1 ? "gateway" : "gateways"}${missing}. Version, log, memory, filters and goroutines: of ${last.node}.`);
}

// drawTiles marks what grew within the last minute.
function drawTiles() {
  const now = past.points.at(-1);
  const since = past.points.find(p => p.counts && p.addends === now.addends && p.at >= now.at - 60_000);
  tiles.forEach((tile, i) => {
    const value = tile.of(last);
    const grown = tile.hot ? value - (since.counts[i] <= value ? since.counts[i] : 0) : 0;
    setText(tile.figure, (tile.show ?? count)(value));
    setText(tile.grown, grown > 0 ? `+${count(grown)}/min` : "");
    tile.element.classList.toggle("hot", grown > 0);
  });
}

function build() {
  for (const tile of tiles) {
    tile.figure = el("dd", { text: "–" });
    tile.grown = el("dd", { class: "grown" });
    tile.element = el("div", { class: "card tile", title: tile.about }, el("dt", { text: tile.title }), tile.figure, tile.grown);
  }
  $("tiles").append(...tiles.map(t => t.element));
  $("charts").append(...charts.map(c => c.element));
  const meter = el("div", { id: "log-meter", class: "meter", role: "meter", "aria-label": "Log against retention", "aria-valuemin": 0, "aria-valuemax": 100 }, el("div"));
  charts.find(c => c.title === "Log").element.querySelector(".figures").after(meter);
  reconcile($("spans"), spans, s => s, s => el("label", {}, el("input", {
    type: "radio", name: "span", id: `span-${s}`, onchange: () => {
      chosen = s;
      draw();
    },
  }), el("span", { text: `${s / 60} min` })));
}

export const reconnectStats = () => follow?.again();

// clear shows no figures: those of another gateway would be taken for those of the chosen one.
function clear() {
  last = null;
  past = new History();
  for (const chart of charts) chart.clear();
  for (const tile of tiles) {
    setText(tile.figure, "–");
    setText(tile.grown, "");
    tile.element.classList.remove("hot");
  }
  setText($("uptime"), "");
  const meter = $("log-meter");
  for (const name of ["aria-valuenow", "aria-valuetext"]) meter.removeAttribute(name);
  meter.firstChild.style.width = "0";
  $("banner").hidden = true;
}

// adminChanged follows the statistics that another key or gateway has.
export function adminChanged() {
  if (session.admin?.value === credential?.value && session.node === node && follow) return;
  follow?.close();
  follow = null;
  ({ admin: credential, node } = session);
  clear();
  drawWhose();
  if (!credential) return onstate({ name: "off", text: "" });
  follow = new Follow(node ? `/admin/stats?${new URLSearchParams({ node })}` : "/admin/stats", { credential, onframe: take, onstate, silence: 10_000 });
  void remember(credential, node);
}

export function startOverview(tellState, tellData) {
  onstate = tellState;
  ondata = tellData;
  build();
  document.addEventListener("visibilitychange", draw);
  addEventListener("online", reconnectStats);
}

export const drawOverview = draw;
