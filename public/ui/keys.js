// The list of API keys.
import { $, act, el, message, reconcile } from "./dom.js";
import { confirm } from "./dialog.js";
import { setWhen, when } from "./format.js";
import { terms, warning } from "./grants.js";
import { edit, remove, show } from "./keyform.js";
import { Pages } from "./pages.js";
import { tokenOf } from "./tokens.js";

let pages;

function limits(key) {
  const all = [];
  if (key.rate) all.push(`${key.rate} events a second`);
  if (key.frames) all.push(`frames: ${key.frames}`);
  if (key.origins?.length) all.push(`from ${key.origins.join(", ")}`);
  const dd = el("dd", {}, all.join("; "));
  if (key.expires) {
    const past = Date.parse(key.expires) < Date.now();
    dd.append(all.length ? "; " : "", past ? "expired " : "expires ", when(new Date(key.expires)));
    dd.classList.toggle("bad", past);
  } else if (!all.length) dd.append(el("span", { class: "dim", text: "none" }));
  return el("div", {}, el("dt", { text: "Limits" }), dd);
}

// source says where a key is that cannot be changed here.
const source = key => key.first
  ? el("span", { class: "chip", text: "read-only, from the first start" })
  : el("span", { class: "chip", title: "from API_KEYS or API_KEYS_FILE: change it there", text: "read-only, from the settings" });

const first = "The first start made this key. It is in the file first-key of DATA_DIR. To end it, set API_KEYS, or delete the file and start the gateway again.";

function item(key) {
  const token = el("button", { type: "button", class: "quiet", "aria-label": `Make a token of ${key.name || key.id}`, text: "Token …", onclick: () => tokenOf(key) });
  const actions = key.readonly
    ? el("div", { class: "actions" }, source(key), token)
    : el("div", { class: "actions" }, token,
      el("button", { type: "button", class: "quiet", "aria-label": `Change ${key.name}`, text: "Change", onclick: () => edit(key, saved) }),
      el("button", { type: "button", class: "quiet danger", "aria-label": `Revoke ${key.name}`, text: "Revoke", onclick: () => revoke(key) }));
  return el("li", { class: "card key" },
    el("div", { class: "key-head" }, el("h3", {}, el("bdi", { text: key.name || key.id })), actions),
    key.first ? el("p", { class: "dim", text: first }) : "", warning("key", key), el("dl", {}, ...terms(key), limits(key)));
}

function draw(keys) {
  // A key that changed gets a new row; one that did not stays as it is.
  reconcile($("keys-list"), keys, key => JSON.stringify(key), item, (li, key) => {
    const time = li.querySelector("time");
    if (time && key.expires) setWhen(time, new Date(key.expires));
  });
}

async function saved(key) {
  message($("keys-answer"), `${key.name} was saved. Its streams use the change within a second.`);
  await pages.load();
  $("keys-list").querySelector(`[aria-label="${CSS.escape(`Change ${key.name}`)}"]`)?.focus();
}

function created(answer) {
  message($("keys-answer"), `${answer.name} was created.`);
  pages.load();
  show(answer);
}

async function revoke(key) {
  const asks = seen => confirm(`Revoke ${key.name}${seen ? " all the same" : ""}?`,
    `${seen ? "Somebody else has changed this key since you saw it. " : ""}Its streams end within a second, and nobody can use it again. This cannot be undone.`, "Revoke", seen);
  if (!await asks()) return;
  try {
    if (await remove(key, asks) === false) return await pages.load();
    message($("keys-answer"), `${key.name} was revoked.`);
  } catch (e) {
    if (e.status !== 404) return message($("keys-answer"), e.message, true);
    message($("keys-answer"), `${key.name} was already revoked.`);
  }
  await pages.load();
  $("keys-title").focus();
}

// loadKeys asks when the view is opened: others may have changed them.
export const loadKeys = () => void pages.load();

export function startKeys() {
  pages = new Pages({
    path: "/admin/keys", search: $("keys-filter"), count: $("keys-count"), place: $("keys-pages"), draw, one: "key", all: "keys",
    none: "There is no key yet. Create one, and list the channels that it may see.",
  });
  act($("new"), "click", () => edit(null, created));
}
