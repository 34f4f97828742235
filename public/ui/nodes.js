// The gateways of a cluster in full, and its journal; or the one gateway that is alone.
import { $, el, message, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { bytes, count, when } from "./format.js";
import { condition } from "./gateways.js";
import { section } from "./section.js";
import { lookAt, onSession, session } from "./session.js";

const every = 2000; // milliseconds

let parts, timer = 0;

const term = (title, ...value) => el("div", {}, el("dt", { text: title }), el("dd", {}, ...value));

function look(node) {
  lookAt(node);
  location.hash = "#overview";
}

// Cards are {name, title, terms, actions}.
const gatewayCard = g => ({
  name: g.node, title: `${g.node}${g.self ? " (answers this page)" : ""}`,
  actions: () => el("button", { type: "button", class: "quiet", "aria-label": `Figures and clients of ${g.node}`, text: "Figures and clients", onclick: () => look(g.node) }),
  terms: [
    term("State", condition(g) === "ready" ? "ready" : el("span", { class: "warn", text: condition(g) })),
    term("Version", `${g.version}; reads formats up to ${g.level}, writes ${g.writes}`),
    term("Address", el("span", { class: "mono", text: g.address || "–" })),
    term("Journal", `at ${count(g.place)}, ${count(g.behind)} behind`),
    term("Newest id", el("span", { class: "mono", text: g.newest })),
    term("Clients", count(g.connections)),
    term("Clock", g.clock_off_ms ? `${count(g.clock_off_ms)} ms off` : "the same"),
    term("Started", when(new Date(g.started))),
  ],
});

const journalCard = j => ({
  name: "", title: "Journal", actions: () => "",
  terms: [
    ...j.error ? [term("State", el("span", { class: "warn", text: j.error }))] : [],
    term("Led by", j.leader || "its only server"),
    term("Messages", `${count(j.first)} to ${count(j.last)}, ${bytes(j.bytes)}`),
    term("Replicas", `${j.wanted} wanted`, ...(j.replicas ?? []).map(r => el("div", { text: `${r.name}: ${r.current ? "current" : `${count(r.behind)} behind`}` }))),
  ],
});

const aloneCard = s => ({
  name: "", title: "This gateway", actions: () => "",
  terms: [
    term("State", s.draining ? el("span", { class: "warn", text: "draining" }) : s.log.error ? el("span", { class: "warn", text: s.log.error }) : "ready"),
    term("Version", s.version), term("Started", when(new Date(s.started))), term("Clients", count(s.connections)),
  ],
});

const make = ({ actions }) => el("li", { class: "card key" }, el("div", { class: "key-head" }, el("h3"), actions()), el("dl"));

// update leaves the button of a card as it is, which may have the focus.
function update(li, { title, terms }) {
  setText(li.querySelector("h3"), title);
  li.querySelector("dl").replaceChildren(...terms);
}

const draw = cards => reconcile($("nodes-list"), cards, c => c.name, make, update);

async function load() {
  clearTimeout(timer);
  timer = 0;
  if (!session.admin || document.hidden || $("nodes").hidden) return;
  try {
    const stats = await call("GET", "/admin/stats", { credential: session.admin });
    if (stats.node) {
      const { nodes, journal } = await call("GET", "/admin/cluster", { credential: session.admin });
      draw([...nodes.map(gatewayCard), journalCard(journal)]);
      message(parts.count, `${count(nodes.length)} in this cluster`);
    } else {
      draw([aloneCard(stats)]);
      message(parts.count, "It is alone. With CLUSTER_URL several gateways serve one log.");
    }
    message(parts.answer, "");
  } catch (e) {
    message(parts.answer, e.message, true);
  }
  timer ||= setTimeout(load, every);
}

export const loadNodes = () => void load();

export function startNodes() {
  parts = section("nodes", "Gateways", { body: [el("ul", { id: "nodes-list", class: "cards" })] });
  document.addEventListener("visibilitychange", loadNodes);
  onSession(loadNodes);
}
