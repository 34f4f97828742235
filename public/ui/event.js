// The way of one event: when it was stored, by whom it was published, and how many connections it was for.
import { act, el, message } from "./dom.js";
import { call, raw } from "./api.js";
import { changer } from "./changes.js";
import { count, when } from "./format.js";
import { member, pretty } from "./json.js";
import { hrefOf, open } from "./place.js";
import { session } from "./session.js";

const fact = (name, ...about) => el("div", {}, el("dt", { text: name }), el("dd", {}, ...about));

// publisher says who has sent the event, as far as it is known.
function publisher(way) {
  const p = way.published;
  if (!p) return ["not known any more: gateways remember the newest requests only, until they stop"];
  return [el("bdi", { text: p.who || "somebody without a credential" }), " ", el("span", { class: "chip", text: p.kind || "no credential" }), ` from ${p.from} by the door ${p.door}`,
    p.node ? ` of gateway ${p.node}` : "", el("br"), el("span", { class: "dim", text: `request ${p.request_id}` })];
}

const people = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

function gateway(g) {
  const reached = !g.known ? "not known any more"
    : `${people(g.connections, "connection", "connections")} wanted it when it was published${g.connections ? `, by ${people(g.filters, "filter", "different filters")}` : ""}`;
  const waiting = g.waiting ? ` ${people(g.waiting, "of them is", "of them are")} still to take it.` : g.known && g.connections ? " Those that are still open have taken it." : "";
  const now = g.now.length ? el("ul", { class: "patterns" }, ...g.now.map(w => el("li", {}, el("code", { text: w.channels }), ` ${count(w.connections)}`))) : "";
  return [el("p", { text: `${reached}.${waiting}` }), now ? el("p", { class: "dim", text: "Filters that match it now, with their connections:" }) : "", now];
}

function draw(way, text, again) {
  const retract = !way.gone && !way.space && !way.retracts ? changer("Retract it", {
    title: "Retract this event?", text: "It is taken out of the log, and subscribers get an event that says so. This cannot be undone.", action: "Retract", done: "The event was retracted.",
  }, async () => {
    await call("DELETE", `/admin/events/${way.id}`, { credential: session.admin });
    await again();
  }) : "";
  return el("div", { class: "card way" },
    el("div", { class: "bar" }, el("h3", {}, `Event ${way.id}`), retract),
    el("dl", { class: "facts" },
      fact("Stored", when(new Date(way.time)), ` at ${way.time}`),
      fact("On", way.space ? el("code", { text: way.space }) : "", " ", way.gone ? "its channel is not known: the event was retracted or has expired" : el("code", { text: way.channel }),
        way.stream ? el("span", {}, " in the stream ", way.space ? el("code", { text: way.stream }) : el("a", { href: hrefOf("streams", way.stream), text: way.stream })) : ""),
      fact("Published by", ...publisher(way)),
      ...way.gateways.map(g => fact(g.node ? `At ${g.node}` : "Went to", ...gateway(g))),
      way.missing.length ? fact("Without", way.missing.join(", "), ", which did not answer") : "",
      way.except ? fact("Left out", "one connection, as its publisher asked; it is counted above") : ""),
    way.gone ? "" : el("pre", { tabindex: "0", role: "region", "aria-label": "Data of the event" }, el("code", { text: pretty(member(text, "data")) })));
}

function show([id = "", space = ""]) {
  const field = el("input", { value: id, inputmode: "numeric", maxlength: 16, autocomplete: "off", spellcheck: "false", placeholder: "1795994853852279" });
  const where = el("input", { value: space, placeholder: "empty: /realtime", autocomplete: "off", spellcheck: "false" });
  const fault = el("p", { class: "answer bad", role: "alert" });
  const place = el("div");
  const form = el("form", { class: "card watch" },
    el("label", { class: "grow" }, el("span", { text: "Id of an event" }), field),
    el("label", { class: "grow" }, el("span", { text: "Database ($db/NAME) or room ($room/ID)" }), where),
    el("div", { class: "actions" }, el("button", { text: "Follow its way" })));
  async function load() {
    if (!id) return;
    try {
      const { text } = await raw("GET", `/admin/events/${encodeURIComponent(id)}${space ? `?${new URLSearchParams({ space })}` : ""}`, { credential: session.admin });
      place.replaceChildren(draw(JSON.parse(text), text, load));
      message(fault, "");
    } catch (e) {
      message(fault, e.message, true);
    }
  }
  act(form, "submit", () => {
    const [asked, of] = [field.value.trim(), where.value.trim()];
    if (asked === id && of === space) return load();
    if (asked) open("event", asked, ...of ? [of] : []);
  });
  void load();
  return el("div", {}, form, fault, place);
}

export const event = { name: "event", title: "Event", show };
