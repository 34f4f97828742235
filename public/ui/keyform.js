// The form of one API key, to make or to change it, and the showing of a new key.
import { act, el, message, setText } from "./dom.js";
import { call, once } from "./api.js";
import { Channels } from "./channels.js";
import { copier, publishLine, sample, snippet, watchLine } from "./curl.js";
import { closed, open } from "./dialog.js";
import { blame, field, mark, texts, watchGrant } from "./grants.js";
import { versioned } from "./change.js";
import { add, session } from "./session.js";

const titles = { name: "Name", sub: "Subscribe", pub: "Publish", rest: "Documents", origins: "Origins", rate: "Events a second", frames: "Frames of custom events", expires: "Expires" };

const { change, remove } = versioned({
  path: key => `/admin/keys/${encodeURIComponent(key.id)}`, name: key => key.name, titles,
  shown: (name, value) => name === "expires" ? value ? new Date(value).toLocaleString() : "never" : value ? String(value) : "none",
});
export { remove };

// local is a date as datetime-local takes it.
function local(date) {
  const d = new Date(date);
  return new Date(d - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

const doubled = new Set(["already_created", "idempotency_conflict"]);

// edit opens the form and waits until it is closed; done gets the key as the gateway answered.
export function edit(key, done) {
  const request = once(); // of a new key: to send the form again after an answer was lost makes no second one
  const name = el("input", { value: key?.name ?? "", required: true, autocomplete: "off", maxlength: 128 });
  const channels = new Channels(key);
  const origins = el("input", { value: (key?.origins ?? []).join(", "), placeholder: "https://app.example.com", autocomplete: "off", spellcheck: "false" });
  const rest = el("input", { value: (key?.rest ?? []).join(", "), placeholder: "GET:customer, POST:*", autocomplete: "off", spellcheck: "false" });
  const rate = el("input", { type: "number", min: 0, step: "any", value: key?.rate || "", placeholder: "as PUBLISH_RATE" });
  const frames = el("select", {}, ...[["", "as CUSTOM_EVENT_FRAME"], ["name", "name"], ["publish", "publish (RestDB's clients)"]].map(([value, text]) =>
    el("option", { value, text, selected: (key?.frames ?? "") === value })));
  const expires = el("input", { type: "datetime-local", step: 1, value: key?.expires ? local(key.expires) : "" });
  const answer = el("p", { class: "answer", role: "alert" });
  const past = el("p", { class: "warn", role: "status" });
  const form = el("form", { class: "keyform" },
    field("Name", name), channels.element,
    el("div", { class: "fields" },
      field("Documents", rest, "methods and collections that the key may use at /rest and /items"),
      field("Origins", origins, "of pages that may use the key; empty: all"),
      field("Events a second", rate, "that the key may publish"),
      field("Frames of custom events", frames),
      field("Expires", expires, "your local time; empty: never")),
    past, answer,
    el("div", { class: "actions" },
      el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }),
      el("button", { class: "primary", text: key ? "Save" : "Create" })));

  const fields = () => ({
    name: name.value.trim(), ...channels.grant(), rest: texts(rest.value), origins: texts(origins.value),
    rate: Number(rate.value) || 0, frames: frames.value,
    expires: !expires.value ? null : key?.expires && expires.value === local(key.expires) ? key.expires : new Date(expires.value).toISOString(),
  });

  form.insertBefore(watchGrant(form, "key", fields), past);
  form.addEventListener("input", () => message(past, expires.value && new Date(expires.value) < Date.now() ? "This time has passed: nobody can use the key." : ""));

  act(form, "submit", async () => {
    if (channels.fault()) return message(answer, channels.fault(), true);
    message(answer, "");
    try {
      const saved = key ? await change(key, fields()) : await call("POST", "/admin/keys", {
        credential: session.admin, headers: { "Idempotency-Key": request }, body: JSON.stringify(fields()),
      });
      if (!saved) return;
      dialog.close();
      done(saved);
    } catch (error) {
      if (error.status === 400 && /\ban origin, number/.test(error.message)) mark(origins);
      message(answer, explain(error, key, (part, pattern) => part === "rest" ? rest : channels.fieldOf(part, pattern)), true);
    }
  });
  const dialog = open(key ? `Change ${key.name}` : "New API key", form);
  return closed(dialog);
}

// explain describes an error, and what to do.
function explain(error, key, fieldOf) {
  if (doubled.has(error.code)) return "An earlier attempt made this key, but its answer was lost. Close this form. Then revoke the key in the list, and make another.";
  if (error.status === 404 && key) return "This key no longer exists: somebody has revoked it.";
  return `${blame(error, fieldOf)}${error.status ? "" : " The page does not know whether the change was made. It is safe to send the form again."}`;
}

// show shows a new key. It is the only time, so the dialog closes only by its button.
export function show({ name, key, sub, pub }) {
  const credential = { kind: "key", value: key };
  const input = el("input", { class: "mono", id: "new-key", readonly: true, value: key, "aria-label": `API key of ${name}`, onfocus: () => input.select() });
  const lines = [];
  if (sub?.length) lines.push(["Watch its events", watchLine(credential)]);
  if (pub?.length) lines.push(["Publish with it", publishLine(credential, sample(pub))]);
  const content = el("div", {},
    el("p", { text: "The key is shown only now: the gateway stores only its hash." }),
    el("div", { class: "copyrow" }, input, copier(() => key, { label: "Copy", name: "Copy the key", class: "primary" })),
    ...lines.map(([title, text]) => {
      const s = snippet(title);
      s.set(text);
      return s.element;
    }),
    el("p", { class: "answer", role: "status" }),
    el("div", { class: "actions" },
      el("button", { type: "button", text: "Use it in this page", onclick: e => use(key, e.target) }),
      el("button", { type: "button", text: "Done", onclick: () => dialog.close() })));
  const dialog = open(`The key of ${name}`, content, { locked: true });
}

async function use(key, button) {
  try {
    await add(key);
    setText(button, "In use: see Events");
    button.disabled = true;
  } catch (e) {
    message(button.closest("dialog").querySelector(".answer"), e.message, true);
  }
}
