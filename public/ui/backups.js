// The backups on the gateway's disk.
import { $, act, el, message, reconcile } from "./dom.js";
import { call } from "./api.js";
import { copier } from "./curl.js";
import { confirm } from "./dialog.js";
import { bytes, when } from "./format.js";
import { Pages } from "./pages.js";
import { section } from "./section.js";
import { session } from "./session.js";

let pages, parts;

const row = b => el("tr", {},
  el("th", { scope: "row" }, when(new Date(b.made)), b.node ? el("span", { class: "dim", text: ` at ${b.node}` }) : ""),
  el("td", { class: "number", text: bytes(b.bytes) }),
  el("td", { class: "mono wrap", text: b.path }),
  el("td", {}, el("div", { class: "actions" },
    copier(() => b.path, { label: "Copy path", name: `Copy path of ${b.name}` }),
    el("button", { type: "button", class: "quiet danger", "aria-label": `Delete ${b.name}`, text: "Delete", onclick: () => remove(b) }))));

function draw(list) {
  reconcile($("backups-rows"), list, b => [b.name, b.node, b.bytes].join(), row);
  $("backups-table").hidden = !list.length;
}

async function make() {
  message(parts.answer, "");
  try {
    await call("POST", "/admin/backup", { credential: session.admin });
    message(parts.answer, "A backup was made.");
    await pages.load();
  } catch (e) {
    message(parts.answer, e.message, true);
  }
}

async function remove(b) {
  if (!await confirm(`Delete the backup ${b.name}?`, "Its folder is removed from the gateway's disk. This cannot be undone.", "Delete")) return;
  try {
    await call("DELETE", `/admin/backups/${encodeURIComponent(b.name)}${b.node ? `?${new URLSearchParams({ node: b.node })}` : ""}`, { credential: session.admin });
    message(parts.answer, `${b.name} was deleted.`);
  } catch (e) {
    if (e.status !== 404) return message(parts.answer, e.message, true);
    message(parts.answer, `${b.name} was already deleted.`);
  }
  await pages.load();
  parts.title.focus();
}

export const loadBackups = () => void pages.load();

export function startBackups() {
  const button = el("button", { type: "button", class: "primary last", text: "Make a backup" });
  act(button, "click", make);
  const table = el("div", { class: "scroll card stack", id: "backups-table", tabindex: "0", role: "region", "aria-label": "List of backups", hidden: true },
    el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "Made" }), el("th", { scope: "col", class: "number", text: "Size" }), el("th", { scope: "col", text: "Folder" }), el("th", { scope: "col" }, el("span", { class: "offscreen", text: "Copy or delete" })))),
      el("tbody", { id: "backups-rows" })));
  parts = section("backups", "Backups", {
    search: "Filter backups", buttons: [button],
    about: "A backup is a copy of everything that was acknowledged, on the disk of the gateway. Copy it to another disk, then delete it here. To restore it, stop the gateway and start it with DATA_DIR set to that folder.",
    body: [table],
  });
  pages = new Pages({ path: "/admin/backups", search: parts.search, count: parts.count, place: parts.pages, draw, one: "backup", all: "backups", none: "There is no backup on this gateway's disk." });
}
