// The rooms, and what one retains.
import { el, setText } from "./dom.js";
import { call, raw } from "./api.js";
import { changer } from "./changes.js";
import { count, counted, when } from "./format.js";
import { member, parts, pretty } from "./json.js";
import { listing } from "./listing.js";
import { hrefOf, open } from "./place.js";
import { session } from "./session.js";

const path = id => `/admin/rooms/${encodeURIComponent(id)}`;

let list;

function all() {
  list ??= listing({
    title: "Rooms", path: "/admin/rooms", term: "prefix", filter: "Id begins with", key: r => r.room,
    none: "There is no room.", one: "room", all: "rooms",
    columns: [
      { title: "Room", wrap: true, cell: r => el("a", { class: "mono", href: hrefOf("rooms", r.room), text: r.room }) },
      { title: "Messages", number: true, cell: r => count(r.messages) },
      { title: "Clients here", number: true, cell: r => count(r.clients) },
      { title: "Last message", cell: r => when(new Date(r.last_time)) },
    ],
  });
  void list.pages.load();
  return list.element;
}

const entry = e => el("li", {}, el("details", {},
  el("summary", {}, el("span", { class: "line" },
    el("bdi", { class: "channel custom", text: e.key || "(empty key)" }), el("bdi", { class: "data", text: e.text.slice(0, 300) }), when(new Date(e.time)))),
  el("div", { class: "opened" }, el("pre", { tabindex: "0", role: "region", "aria-label": `Message ${e.seq}` }, el("code", { text: pretty(e.text) })),
    el("div", { class: "opened-foot" }, el("span", { class: "dim", text: `message ${e.seq}, id ${e.id}` }),
      el("a", { href: hrefOf("event", e.id, `$room/${e.room}`), text: "Its way" })))));

function one(id) {
  const about = el("span", { class: "dim" });
  const fault = el("p", { class: "answer bad", role: "alert" });
  const rows = el("ol", { class: "card rows", "aria-label": "Messages that the room retains, by key", hidden: true });
  const more = el("button", { type: "button", class: "quiet", text: "More", hidden: true });
  let next = "";
  async function load() {
    try {
      const got = await page(id, next);
      rows.append(...got.entries.map(e => entry({ ...e, room: id })));
      rows.hidden = !rows.children.length;
      next = got.next;
      more.hidden = !next;
      setText(about, `${counted(got.messages, "message")} so far, ${count(rows.children.length)} of those retained shown, ${counted(got.clients, "client")} here`);
      setText(fault, "");
    } catch (e) {
      setText(fault, e.message);
    }
  }
  more.addEventListener("click", load);
  void load();
  const drop = changer("Drop the room", {
    title: "Drop this room?", text: "All that it retains is deleted, and everybody inside is cut. This cannot be undone.", action: "Drop", done: "The room was dropped.",
  }, async () => {
    await call("DELETE", path(id), { credential: session.admin });
    open("rooms");
  });
  return el("div", {}, el("p", {}, el("a", { href: hrefOf("rooms"), text: "All rooms" })),
    el("div", { class: "bar" }, el("h3", { class: "mono", tabindex: "-1", text: id }), about, drop), fault, rows, more);
}

// page gives a page of what a room retains, with the query of the page that follows.
async function page(id, query) {
  const { text, headers } = await raw("GET", path(id) + query, { credential: session.admin });
  const [, next = ""] = /<(\?[^>]*)>; rel="next"/.exec(headers.get("link") ?? "") ?? [];
  const entries = parts(member(text, "entries")).map(one => ({ ...JSON.parse(one), text: member(one, "value") })); // as it was pushed: a parse would change large numbers
  return { ...JSON.parse(text), entries, next };
}

export const rooms = { name: "rooms", title: "Rooms", show: ([id]) => id === undefined ? all() : one(id) };
