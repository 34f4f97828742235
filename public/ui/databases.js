// The databases, the streams of one, and the events of a stream. Changes go through the databases' own door, as root.
import { el, setText } from "./dom.js";
import { call, list as listOf, raw } from "./api.js";
import { changer, root } from "./changes.js";
import { eventPages } from "./eventpages.js";
import { bytes, count, when } from "./format.js";
import { member, parts, pretty } from "./json.js";
import { listing } from "./listing.js";
import { hrefOf, open } from "./place.js";
import { session } from "./session.js";
import { counted } from "./streams.js";

const admin = (name, rest) => `/admin/databases/${encodeURIComponent(name)}/${rest}`;
const door = (name, ...rest) => `/db/${[name, ...rest].map(encodeURIComponent).join("/")}`;
const streamDoor = (name, { namespace, name: stream }) => namespace ? door(name, "ns", namespace, "streams", stream) : door(name, "streams", stream);

let list;

function all() {
  list ??= listing({
    title: "Databases", path: "/admin/databases", term: "prefix", filter: "Name begins with", key: d => d.database, none: "There is no database.", one: "database", all: "databases",
    columns: [
      { title: "Database", wrap: true, cell: d => el("a", { href: hrefOf("databases", d.database), text: d.database }) },
      { title: "Events", number: true, cell: d => count(d.events) },
      { title: "Size", number: true, cell: d => bytes(d.bytes) },
      { title: "Namespaces", number: true, cell: d => count(d.namespaces) },
      { title: "Charged to", cell: d => el("bdi", { text: d.account || "root" }) },
      { title: "Made", cell: d => when(new Date(d.created)) },
    ],
  });
  void list.pages.load();
  return list.element;
}

// The list of streams is made once, and shows those of one database at a time.
let streams, shown = "", namespace = null; // namespace: the select that narrows it

const remove = s => changer("Drop", {
  name: `Drop the stream ${s.name}`, title: `Drop the stream ${s.name}?`, text: "All its events are deleted. This cannot be undone.", action: "Drop", done: `${s.name} was dropped.`,
}, async () => {
  await call("DELETE", streamDoor(shown, s), { credential: root() });
  await streams.pages.load();
});

function streamsOf(name) {
  streams ??= listing({
    title: "Streams", key: s => s.stream, none: "There is no stream.", one: "stream", all: "streams",
    also: () => namespace.value === "*" ? {} : { ns: namespace.value.slice(1) },
    columns: [
      { title: "Stream", wrap: true, cell: s => el("a", { href: hrefOf("databases", shown, s.stream) }, el("bdi", { text: s.name })) },
      { title: "Namespace", wrap: true, cell: s => el("bdi", { text: s.namespace || "–" }) },
      { title: "Events", number: true, cell: counted },
      { title: "Last", cell: s => when(new Date(s.last_time)) },
      { title: "Drop", hidden: true, cell: remove },
    ],
  });
  shown = name;
  streams.pages.path = admin(name, "streams");
  streams.pages.forget();
  void streams.pages.load();
  return streams.element;
}

function database(name) {
  const fault = el("p", { class: "answer bad", role: "alert" });
  const choice = namespace = el("select", { onchange: () => void streams.pages.first() }, el("option", { value: "*", text: "all" }), el("option", { value: "=", text: "the unnamed one" }));
  listOf(admin(name, "namespaces"), "?limit=500", { credential: session.admin }).then(({ entries, next }) => {
    choice.append(...entries.map(n => el("option", { value: `=${n.namespace}`, text: n.namespace })));
    if (next) choice.append(el("option", { disabled: true, text: "…" }));
  }, e => setText(fault, e.message));
  const drop = changer("Drop the database", {
    title: `Drop ${name}?`, text: "All its namespaces, streams and events are deleted. This cannot be undone.", action: "Drop", done: `${name} was dropped.`,
  }, async () => {
    await call("DELETE", door(name), { credential: root() });
    open("databases");
  });
  return el("div", {}, el("p", {}, el("a", { href: hrefOf("databases"), text: "All databases" })),
    el("div", { class: "bar" }, el("h3", { tabindex: "-1", text: name }), el("a", { href: hrefOf("databases", name, ""), text: "Events of all streams" }), drop),
    el("label", { class: "narrow" }, el("span", { text: "Namespace" }), choice), fault, streamsOf(name));
}

// read reads events of a stream, or of all for "". What a client has written stays as it was.
const read = (name, stream) => async (last, limit) => {
  const query = new URLSearchParams({ last, limit });
  if (stream) query.set("stream", stream);
  const { text } = await raw("GET", `${admin(name, "events")}?${query}`, { credential: session.admin });
  return parts(text).map(one => ({ id: JSON.parse(one).id, text: member(one, "event") }));
};

function events(name, stream) {
  const row = ({ id, text }) => {
    const { meta } = JSON.parse(text);
    const drop = changer("Drop", {
      name: `Drop the event ${meta.id}`, title: "Drop this event?", text: "It is deleted from its stream. This cannot be undone.", action: "Drop", done: "The event was dropped.",
    }, async () => {
      await call("DELETE", `/db/${encodeURIComponent(name)}/ns/${encodeURIComponent(meta.ns)}/streams/${encodeURIComponent(meta.stream)}/events/${encodeURIComponent(meta.id)}`, { credential: root() });
      await pages.load();
    });
    return el("li", {}, el("details", {},
      el("summary", {}, el("span", { class: "line" }, el("bdi", { class: "channel custom", text: meta.type }), el("bdi", { class: "data", text: member(text, "data").slice(0, 300) }),
        stream ? "" : el("bdi", { class: "chip", title: "stream", text: meta.stream }), when(new Date(meta.ts)))),
      el("div", { class: "opened" }, el("pre", { tabindex: "0", role: "region", "aria-label": `The event ${meta.id}` }, el("code", { text: pretty(text) })),
        el("div", { class: "opened-foot" }, el("span", { class: "dim", text: `id ${id} in the log` }), el("a", { href: hrefOf("event", id, `$db/${name}`), text: "Its way" }), drop))));
  };
  const pages = eventPages({ title: stream || `All streams of ${name}`, read: read(name, stream), row });
  void pages.load();
  return el("div", {}, el("p", {}, el("a", { href: hrefOf("databases", name), text: name })), pages.element);
}

export const databases = {
  name: "databases", title: "Databases",
  show: ([name, stream]) => name === undefined ? all() : stream === undefined ? database(name) : events(name, stream),
};
