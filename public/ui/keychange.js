// Changing a key: only what was changed in the form is sent, with the version that the form was opened on.
import { call } from "./api.js";
import { both, choose } from "./conflict.js";
import { session } from "./session.js";

const titles = { name: "Name", sub: "Subscribe", pub: "Publish", rest: "Documents", origins: "Origins", rate: "Events a second", frames: "Frames of custom events", expires: "Expires" };

const plain = value => Array.isArray(value) ? [...value].sort() : value || null;
const same = (a, b) => JSON.stringify(plain(a)) === JSON.stringify(plain(b));

function shown(name, value) {
  if (Array.isArray(value)) return value.join(", ") || "nothing";
  if (name === "expires") return value ? new Date(value).toLocaleString() : "never";
  return value ? String(value) : "none";
}

const path = id => `/admin/keys/${encodeURIComponent(id)}`;
const on = key => ({ "If-Match": `"${key.version}"` });

// rows are the fields in which two keys differ.
const rows = (mine, now, choice = () => "") => Object.keys(titles).filter(f => !same(mine[f], now[f])).map(f =>
  ({ name: f, title: titles[f], mine: shown(f, mine[f]), now: shown(f, now[f]), choice: choice(f) }));

// change saves what was entered in a form that was opened on key. It gives the key as it is then, null where the person went
// back to the form.
export async function change(key, entered) {
  for (let base = key; ;) {
    const differs = Object.keys(entered).filter(f => !same(base[f], entered[f]));
    if (!differs.length) return base;
    try {
      return await call("PATCH", path(key.id), {
        credential: session.admin, headers: on(base), body: JSON.stringify(Object.fromEntries(differs.map(f => [f, entered[f]]))),
      });
    } catch (e) {
      if (e.status !== 412 || !e.current) throw e;
      const now = e.current;
      // Who did not touch a field has no say in it; who alone did, most likely means it.
      const fields = rows(entered, now, f => same(entered[f], key[f]) ? "now" : same(now[f], key[f]) ? "mine" : "");
      const kept = fields.length ? await choose(`${key.name} has changed`, fields) : new Set();
      if (!kept) return null;
      entered = Object.fromEntries(Object.keys(entered).map(f => [f, kept.has(f) ? entered[f] : now[f]]));
      base = now;
    }
  }
}

// remove revokes a key as it was seen. asks gets what has changed since, and gives whether to go on.
export async function remove(key, asks) {
  for (let seen = key; ;) {
    try {
      return void await call("DELETE", path(key.id), { credential: session.admin, headers: on(seen) });
    } catch (e) {
      if (e.status !== 412 || !e.current) throw e;
      if (!await asks(both(rows(seen, e.current), ["What you saw", "What is there now"]))) return false;
      seen = e.current;
    }
  }
}
