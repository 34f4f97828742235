// The users, who sign in with email and password.
import { $, act, el, message, reconcile } from "./dom.js";
import { call } from "./api.js";
import { versioned } from "./change.js";
import { Channels } from "./channels.js";
import { closed, confirm, open } from "./dialog.js";
import { when } from "./format.js";
import { blame, field, terms, texts, warning, watchGrant } from "./grants.js";
import { Pages } from "./pages.js";
import { section } from "./section.js";
import { session } from "./session.js";

let pages, parts;

const { change, remove } = versioned({
  path: user => `/admin/users/${encodeURIComponent(user.email)}`, name: user => user.email,
  titles: { sub: "Subscribe", pub: "Publish", rest: "Documents", active: "May sign in", password: "Password" },
  shown: (name, value) => name === "active" ? value ? "yes" : "no" : value ? "the new one" : "as it is",
});

function item(user) {
  return el("li", { class: "card key" },
    el("div", { class: "key-head" }, el("h3", {}, el("bdi", { text: user.email })),
      el("div", { class: "actions" },
        el("button", { type: "button", class: "quiet", "aria-label": `Change ${user.email}`, text: "Change", onclick: () => edit(user) }),
        el("button", { type: "button", class: "quiet danger", "aria-label": `Remove ${user.email}`, text: "Remove", onclick: () => drop(user) }))),
    user.active ? "" : el("p", { class: "warn", text: "This user may not sign in." }),
    warning("user", user),
    el("dl", {}, ...terms(user), el("div", {}, el("dt", { text: "Made" }), el("dd", {}, when(new Date(user.created))))));
}

const draw = users => reconcile($("users-list"), users, user => JSON.stringify(user), item);

// edit opens the form of a user, or of a new one.
function edit(user) {
  const email = el("input", { type: "email", required: true, maxlength: 256, autocomplete: "off", placeholder: "ann@example.org" });
  const password = el("input", { type: "password", autocomplete: "new-password", required: !user, minlength: 8, maxlength: 72 });
  const channels = new Channels(user);
  const rest = el("input", { value: (user?.rest ?? []).join(", "), placeholder: "GET:customer, POST:*", autocomplete: "off", spellcheck: "false" });
  const active = el("input", { type: "checkbox", checked: user?.active ?? true });
  const answer = el("p", { class: "answer", role: "alert" });
  const form = el("form", { class: "keyform" },
    el("div", { class: "fields" },
      user ? "" : field("Email", email),
      field(user ? "New password" : "Password", password, user ? "8 to 72 bytes; empty: the password stays. A new one ends all sessions." : "8 to 72 bytes")),
    channels.element,
    field("Documents", rest, "methods and collections that the user may use at /rest and /items"),
    el("label", { class: "choice" }, active, el("span", { text: "May sign in" })),
    answer,
    el("div", { class: "actions" },
      el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }),
      el("button", { class: "primary", text: user ? "Save" : "Create" })));
  const granted = () => ({ ...channels.grant(), rest: texts(rest.value) });
  form.insertBefore(watchGrant(form, "user", granted), answer);

  act(form, "submit", async () => {
    if (channels.fault()) return message(answer, channels.fault(), true);
    message(answer, "");
    const fields = { ...granted(), active: active.checked };
    if (password.value) fields.password = password.value;
    try {
      const saved = user ? await change(user, fields)
        : await call("POST", "/admin/users", { credential: session.admin, body: JSON.stringify({ email: email.value.trim(), ...fields }) });
      if (!saved) return;
      dialog.close();
      message(parts.answer, user ? `${saved.email} was saved.` : `${saved.email} was created.`);
      await pages.load();
      focusOn(saved.email);
    } catch (e) {
      message(answer, explain(e, user, (part, pattern) => part === "rest" ? rest : channels.fieldOf(part, pattern)), true);
    }
  });
  const dialog = open(user ? `Change ${user.email}` : "New user", form);
  return closed(dialog);
}

function explain(e, user, fieldOf) {
  if (e.status === 404 && user) return "This user no longer exists: somebody has removed it.";
  return `${blame(e, fieldOf)}${e.status ? "" : " The page does not know whether the change was made. Look at the list first."}`;
}

// focusOn gives the focus to the button of a user, whose row is a new one after a change.
const focusOn = email => ($("users-list").querySelector(`[aria-label="${CSS.escape(`Change ${email}`)}"]`) ?? parts.title).focus();

async function drop(user) {
  const asks = seen => confirm(`Remove ${user.email}${seen ? " all the same" : ""}?`,
    `${seen ? "Somebody else has changed this user since you saw it. " : ""}All sessions and streams of the user end within a second. This cannot be undone.`, "Remove", seen);
  if (!await asks()) return;
  try {
    if (await remove(user, asks) === false) return await pages.load();
    message(parts.answer, `${user.email} was removed.`);
  } catch (e) {
    if (e.status !== 404) return message(parts.answer, e.message, true);
    message(parts.answer, `${user.email} was already removed.`);
  }
  await pages.load();
  parts.title.focus();
}

export const loadUsers = () => void pages.load();

export function startUsers() {
  parts = section("users", "Users", {
    search: "Filter users",
    buttons: [el("button", { type: "button", class: "primary last", text: "New user", onclick: () => edit(null) })],
    about: "A user signs in with email and password at Directus' door (/auth/login), and may do there and on /realtime what is granted here.",
    body: [el("ul", { id: "users-list", class: "cards" })],
  });
  pages = new Pages({ path: "/admin/users", search: parts.search, count: parts.count, place: parts.pages, draw, one: "user", all: "users", none: "There is no user yet." });
}
