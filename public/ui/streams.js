// The names of streams of /realtime, and the events of one.
import { el } from "./dom.js";
import { texts } from "./api.js";
import { eventPages } from "./eventpages.js";
import { count, when } from "./format.js";
import { listing } from "./listing.js";
import { hrefOf } from "./place.js";
import { eventRow } from "./row.js";
import { session } from "./session.js";

export const counted = s => `${count(s.events)}${s.more ? " or more" : ""}`;

let list;

function names() {
  list ??= listing({
    title: "Streams of /realtime", path: "/admin/streams", term: "prefix", filter: "Name begins with", key: s => s.stream,
    none: "No event has named a stream.", one: "stream", all: "streams",
    columns: [
      { title: "Name", wrap: true, cell: s => el("a", { href: hrefOf("streams", s.stream) }, el("bdi", { text: s.stream })) },
      { title: "Events", number: true, cell: counted },
      { title: "First", cell: s => when(new Date(s.first_time)) },
      { title: "Last", cell: s => when(new Date(s.last_time)) },
    ],
  });
  void list.pages.load();
  return list.element;
}

const read = stream => async (from, limit) => {
  const query = new URLSearchParams({ stream, from: `-${from}`, limit, until: "caught-up" });
  return (await texts(`/admin/events?${query}`, { credential: session.admin })).map(data => ({ id: JSON.parse(data).id, data }));
};

function events(stream) {
  const pages = eventPages({ title: stream, read: read(stream), row: eventRow });
  void pages.load();
  return el("div", {}, el("p", {}, el("a", { href: hrefOf("streams"), text: "All streams" })), pages.element);
}

export const streams = { name: "streams", title: "Streams", show: ([stream]) => stream === undefined ? names() : events(stream) };
