// The list of API keys.
import { $, el, message, reconcile, setText } from "./dom.js";
import { call } from "./api.js";
import { confirm } from "./dialog.js";
import { setWhen, when } from "./format.js";
import { edit, show } from "./keyform.js";
import { session } from "./session.js";

let keys = [];

function patterns(title, list) {
  return el("div", {}, el("dt", { text: title }),
    el("dd", { class: "patterns" }, ...(list?.length ? list.map(p => el("code", { text: p })) : [el("span", { class: "dim", text: "nothing" })])));
}

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

function item(key) {
  const actions = key.readonly
    ? el("span", { class: "chip", title: "from API_KEYS or API_KEYS_FILE: change it there", text: "read-only, from the settings" })
    : el("div", { class: "actions" },
      el("button", { type: "button", class: "quiet", "aria-label": `Change ${key.name}`, text: "Change", onclick: () => edit(key, saved) }),
      el("button", { type: "button", class: "quiet danger", "aria-label": `Revoke ${key.name}`, text: "Revoke", onclick: () => revoke(key) }));
  return el("li", { class: "card key" },
    el("div", { class: "key-head" }, el("h3", {}, el("bdi", { text: key.name || key.id })), actions),
    el("dl", {}, patterns("Subscribe", key.sub), patterns("Publish", key.pub), patterns("Documents", key.rest), limits(key)));
}

function draw() {
  // A key that changed gets a new row; one that did not stays as it is.
  reconcile($("keys-list"), keys, key => JSON.stringify(key), item, (li, key) => {
    const time = li.querySelector("time");
    if (time && key.expires) setWhen(time, new Date(key.expires));
  });
  setText($("keys-none"), keys.length ? "" : "There is no key yet. Create one: it sees nothing until channels are listed for it.");
}

function saved(key) {
  keys = keys.map(other => other.id === key.id ? key : other);
  draw();
  message($("keys-answer"), `${key.name} was saved; its streams follow within a second.`);
  $("keys-list").querySelector(`[aria-label="${CSS.escape(`Change ${key.name}`)}"]`)?.focus();
}

function created(answer) {
  const { key, ...rest } = answer;
  keys = [...keys, rest];
  draw();
  message($("keys-answer"), `${rest.name} was created.`);
  show(answer);
}

async function revoke(key) {
  if (!await confirm(`Revoke ${key.name}?`, "Its streams end within a second, and nobody can use it again. This cannot be taken back.", "Revoke")) return;
  try {
    await call("DELETE", `/admin/keys/${encodeURIComponent(key.id)}`, { credential: session.admin });
    message($("keys-answer"), `${key.name} was revoked.`);
  } catch (e) {
    if (e.status !== 404) return message($("keys-answer"), e.message, true);
    message($("keys-answer"), `${key.name} was gone already.`);
  }
  keys = keys.filter(other => other.id !== key.id);
  draw();
  $("keys-title").focus();
}

// loadKeys asks when the view is opened: others may have changed them.
export async function loadKeys() {
  if (!session.admin) return;
  try {
    keys = await call("GET", "/admin/keys", { credential: session.admin });
    draw();
  } catch (e) {
    message($("keys-answer"), e.message, true);
  }
}

export function startKeys() {
  $("new").addEventListener("click", () => edit(null, created));
}
