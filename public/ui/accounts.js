// The accounts of the databases' door. The administrator manages them there, as root.
import { $, act, el, message, reconcile } from "./dom.js";
import { call, root } from "./api.js";
import { confirm, open } from "./dialog.js";
import { field } from "./grants.js";
import { Pages } from "./pages.js";
import { section } from "./section.js";
import { session } from "./session.js";

const roles = { reader: "reads", member: "reads and appends", admin: "also manages namespaces and streams", owner: "also renames, clones, destroys and grants" };

let pages, parts;

const ask = (method, path, body) => call(method, path, { credential: root(session.admin), body: body && JSON.stringify(body) });
const path = (account, more = "") => `/accounts/${encodeURIComponent(account.username)}${more}`;

// read gives a page of all accounts: this door has no pages of its own.
async function read(query, credential) {
  const all = await call("GET", "/accounts", { credential: root(credential) });
  const words = (query.get("search") ?? "").toLowerCase();
  const found = all.filter(a => a.username.toLowerCase().includes(words) || a.name.toLowerCase().includes(words));
  const begin = Number(query.get("after") ?? 0), limit = Number(query.get("limit"));
  const next = begin + limit < found.length ? `?${new URLSearchParams({ limit, search: words, after: begin + limit })}` : "";
  return { entries: found.slice(begin, begin + limit), total: all.length, matching: found.length, next };
}

function item(account) {
  const button = (text, f, danger = "") => el("button", { type: "button", class: `quiet ${danger}`, "aria-label": `${text} ${account.username}`, text, onclick: () => f(account) });
  return el("li", { class: "card key" },
    el("div", { class: "key-head" },
      el("h3", {}, el("bdi", { text: account.username }), account.name === account.username ? "" : el("span", { class: "dim", text: ` ${account.name}` })),
      el("div", { class: "actions" },
        button("Databases", databases),
        account.isActive ? button("Deactivate", deactivate) : button("Activate", activate),
        button("Delete", drop, "danger"))),
    account.isActive ? "" : el("p", { class: "warn", text: "This account is deactivated: it may do nothing." }));
}

const draw = accounts => reconcile($("accounts-list"), accounts, a => JSON.stringify(a), item);

// run does something to an account and shows what came of it.
async function run(f, done, focus) {
  try {
    await f();
    message(parts.answer, done);
  } catch (e) {
    message(parts.answer, e.message, true);
  }
  await pages.load();
  ($("accounts-list").querySelector(`[aria-label="${CSS.escape(focus ?? "")}"]`) ?? parts.title).focus();
}

const activate = a => run(() => ask("POST", path(a, "/activate")), `${a.username} is active.`, `Deactivate ${a.username}`);

async function deactivate(a) {
  if (await confirm(`Deactivate ${a.username}?`, "It can no longer sign in, and its feeds end within a second. Its databases stay, and you can activate it again.", "Deactivate"))
    await run(() => ask("POST", path(a, "/deactivate")), `${a.username} was deactivated.`, `Activate ${a.username}`);
}

async function drop(a) {
  if (await confirm(`Delete ${a.username}?`, "Its feeds end within a second. Its databases stay, without this account. A later account of the same name has none of its rights. This cannot be undone.", "Delete"))
    await run(() => ask("DELETE", path(a)), `${a.username} was deleted.`);
}

function create() {
  const username = el("input", { required: true, maxlength: 256, autocomplete: "off", spellcheck: "false", placeholder: "ann@example.org" });
  const name = el("input", { maxlength: 256, autocomplete: "off" });
  const password = el("input", { type: "password", required: true, autocomplete: "new-password" });
  const answer = el("p", { class: "answer", role: "alert" });
  const form = el("form", { class: "keyform" },
    el("div", { class: "fields" }, field("User name", username), field("Name", name, "empty: the user name"), field("Password", password)),
    el("p", { class: "warn", text: "A new account has no database. Grant it one, or let it create its own." }),
    answer,
    el("div", { class: "actions" },
      el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }),
      el("button", { class: "primary", text: "Create" })));
  act(form, "submit", async () => {
    const account = { username: username.value.trim() };
    try {
      await ask("POST", path(account), { name: name.value.trim() || account.username, password: password.value });
      dialog.close();
      await run(() => {}, `${account.username} was created.`, `Databases ${account.username}`);
    } catch (e) {
      message(answer, e.message, true);
    }
  });
  const dialog = open("New account", form);
}

const choice = (chosen, label) => el("select", { "aria-label": label }, ...Object.keys(roles).map(role => el("option", { value: role, text: role, selected: role === chosen })));

// databases shows what an account may do in which database, and changes it.
async function databases(account) {
  const answer = el("p", { class: "answer", role: "status" });
  const rows = el("tbody"), none = el("p", { class: "warn" });
  const known = el("datalist", { id: "database-names" });
  const db = el("input", { required: true, list: "database-names", maxlength: 256, autocomplete: "off", spellcheck: "false" });
  const role = choice("reader", "Role");
  // The door refuses an unknown database as one of somebody else's: only its list says which it is.
  const grant = async (name, as) => {
    try {
      await ask("POST", `/db/${encodeURIComponent(name)}/grant?${new URLSearchParams({ username: account.username, role: as })}`);
    } catch (e) {
      if (![403, 404].includes(e.status) || (await ask("GET", "/db")).includes(name)) throw e;
      throw Error(`There is no database ${name}. Make it with PUT /db/${encodeURIComponent(name)}, or choose one of the list.`);
    }
  };
  const change = async (f, done) => {
    try {
      await f();
      message(answer, done);
    } catch (e) {
      message(answer, e.message, true);
    }
    await show();
  };

  function row({ name, role: has }) {
    const select = choice(has, `Role in ${name}`);
    act(select, "change", () => change(() => grant(name, select.value), `${account.username} is ${select.value} of ${name}.`), { again: true });
    return el("tr", {},
      el("th", { scope: "row", class: "wrap" }, el("bdi", { text: name })),
      el("td", {}, select),
      el("td", {}, el("button", { type: "button", class: "quiet danger", "aria-label": `Take away ${name}`, text: "Take away",
        onclick: () => change(() => ask("POST", `/db/${encodeURIComponent(name)}/revoke?${new URLSearchParams({ username: account.username })}`), `${account.username} has lost ${name}.`).then(() => db.focus()) })));
  }

  async function show() {
    try {
      const { dbs } = await ask("GET", path(account));
      reconcile(rows, dbs, d => `${d.name} ${d.role}`, row);
      message(none, dbs.length ? "" : "This account has no database: it can do nothing but create its own.");
      known.replaceChildren(...(await ask("GET", "/db")).slice(0, 1000).map(value => el("option", { value })));
    } catch (e) {
      message(answer, e.message, true);
    }
  }

  const form = el("form", { class: "copyrow wraps" },
    el("label", { class: "grow" }, el("span", { text: "Database" }), db, known), el("label", {}, el("span", { text: "Role" }), role), el("button", { class: "primary", text: "Grant" }));
  act(form, "submit", () => change(() => grant(db.value.trim(), role.value), `${account.username} is ${role.value} of ${db.value.trim()}.`));
  const dialog = open(`Databases of ${account.username}`, el("div", {},
    none,
    el("table", {}, el("thead", { class: "offscreen" }, el("tr", {}, ...["Database", "Role", "Take away"].map(text => el("th", { scope: "col", text })))), rows),
    form,
    el("ul", { class: "dim" }, ...Object.entries(roles).map(([name, may]) => el("li", { text: `${name}: ${may}` }))),
    answer,
    el("div", { class: "actions" }, el("button", { type: "button", text: "Done", onclick: () => dialog.close() }))));
  await show();
  db.focus();
}

export const loadAccounts = () => void pages.load();

export function startAccounts() {
  parts = section("accounts", "Accounts", {
    search: "Filter accounts",
    buttons: [el("button", { type: "button", class: "primary last", text: "New account", onclick: create })],
    about: "An account signs in at the databases' door, and owns databases or has a role in them.",
    body: [el("ul", { id: "accounts-list", class: "cards" })],
  });
  pages = new Pages({ read, search: parts.search, count: parts.count, place: parts.pages, draw, one: "account", all: "accounts", none: "There is no account yet." });
}
