// The lines to paste: shown without the credential, copied with it.
import { at } from "./api.js";
import { $, act, el, setText } from "./dom.js";

const quote = s => `'${s.replaceAll("'", `'\\''`)}'`;
const header = c => c?.kind === "token" ? `Authorization: Bearer ${c.value}` : `x-apikey: ${c?.value || "KEY"}`;

export function watchLine(credential, channels = "") {
  const query = channels ? `?channels=${encodeURIComponent(channels)}` : "";
  const address = at(credential?.kind === "admin" ? "/admin/events" : "/realtime") + query;
  return `curl -N -H ${quote(header(credential))} ${query ? quote(address) : address}`;
}

export function publishLine(credential, body) {
  return `curl -H ${quote(header(credential))} -H 'Content-Type: application/json' -d ${quote(body)} ${at("/realtime")}`;
}

// sample is an event that the first of these patterns lets pass.
export function sample([pattern]) {
  const [left, right] = pattern.split(":");
  const event = { event: left === "*" ? right ? "put" : "hello" : /^(post|put|patch|delete)$/i.test(left) ? left.toLowerCase() : left.replace("*", "1") };
  if (right) event.collection = right.replace("*", right === "*" ? "customer" : "1");
  return JSON.stringify({ ...event, data: "world" });
}

// dots stand for the key in a line as it is shown: nobody who passes the screen reads it.
export const dots = "••••••••";

const hidden = credential => credential?.value ? { ...credential, value: dots } : credential;

// copier is a button that copies what a function gives at that moment.
export function copier(text, { label = "Copy", name = label, ...props } = {}) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": name === label ? null : name, ...props, text: label });
  let timer;
  act(button, "click", async () => {
    const done = await copy(text());
    setText(button, done ? "Copied" : "Not copied");
    setText($("said"), done ? "Copied" : "Not copied");
    clearTimeout(timer);
    timer = setTimeout(() => {
      setText(button, label);
      setText($("said"), "");
    }, 1500);
  });
  return button;
}

// A page over plain http has no clipboard of its own, but may copy what is selected.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    const focused = document.activeElement;
    (focused?.closest("dialog") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}

// snippet is a block of text with its copy button. set takes a function that makes the line of a
// credential, once to be shown and once to be copied; a line alone is both.
export function snippet(title, id) {
  let copied = "";
  const code = el("code");
  const block = el("pre", { id, tabindex: "0", role: "region", "aria-label": title }, code);
  const element = el("div", { class: "snippet" }, el("div", { class: "snippet-head" }, el("span", { text: title }), copier(() => copied, { name: `Copy: ${title}` })), block);
  return {
    element,
    set(line, credential) {
      copied = typeof line === "string" ? line : line(credential);
      setText(code, typeof line === "string" ? line : line(hidden(credential)));
    },
  };
}
