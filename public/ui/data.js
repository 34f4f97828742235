// What the gateway stores, one page for each kind. The address names the page, so that the browser's buttons work.
import { $, el, message, reconcile } from "./dom.js";
import { startChanges } from "./changes.js";
import { databases } from "./databases.js";
import { documents } from "./documents.js";
import { event } from "./event.js";
import { hrefOf, partsOf } from "./place.js";
import { rooms } from "./rooms.js";
import { session } from "./session.js";
import { streams } from "./streams.js";

const tabs = [streams, rooms, documents, databases, event];

let shown = null, credential = null;

// drawData shows the page that the address names. It is made anew each time: what is stored may have changed.
export function drawData() {
  const [name = streams.name, ...rest] = partsOf();
  const place = [name, ...rest].join("\n");
  if (place === shown && credential === session.admin) return;
  const moved = shown !== null;
  shown = place;
  credential = session.admin;
  const tab = tabs.find(t => t.name === name) ?? streams;
  reconcile($("data-tabs"), tabs, t => t.name, t => el("a", { href: hrefOf(t.name), text: t.title }), (a, t) => {
    if (t === tab) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  });
  message($("data-answer"), "");
  $("data-place").replaceChildren(...credential ? [tab.show(rest)] : []);
  if (moved) $("data-place").querySelector("h3[tabindex]")?.focus();
}

export function startData() {
  startChanges();
}
