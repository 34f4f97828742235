// Changing what has a version: only what was changed in the form is sent, with the version that the form was opened on.
import { call } from "./api.js";
import { both, choose } from "./conflict.js";
import { session } from "./session.js";

const plain = value => Array.isArray(value) ? [...value].sort() : value || null;
const same = (a, b) => JSON.stringify(plain(a)) === JSON.stringify(plain(b));

const on = thing => ({ "If-Match": `"${thing.version}"` });

// versioned gives change and remove for one kind of thing. kind: {path, name, titles, shown}: functions that give the address of
// a thing and its name, the titles of the fields of its form, and a function that gives a field's value as text.
export function versioned({ path, name, titles, shown }) {
  const text = (field, value) => Array.isArray(value) ? value.join(", ") || "nothing" : shown(field, value);

  // rows are the fields in which two things differ.
  const rows = (mine, now, choice = () => "") => Object.keys(titles).filter(f => !same(mine[f], now[f])).map(f =>
    ({ name: f, title: titles[f], mine: text(f, mine[f]), now: text(f, now[f]), choice: choice(f) }));

  return {
    // change saves what was entered in a form that was opened on thing. It gives the thing as it is then, null where the person
    // went back to the form.
    async change(thing, entered) {
      for (let base = thing; ;) {
        const differs = Object.keys(entered).filter(f => !same(base[f], entered[f]));
        if (!differs.length) return base;
        try {
          return await call("PATCH", path(thing), {
            credential: session.admin, headers: on(base), body: JSON.stringify(Object.fromEntries(differs.map(f => [f, entered[f]]))),
          });
        } catch (e) {
          if (e.status !== 412 || !e.current) throw e;
          const now = e.current;
          // Who did not touch a field has no say in it; who alone did, most likely means it.
          const fields = rows(entered, now, f => same(entered[f], thing[f]) ? "now" : same(now[f], thing[f]) ? "mine" : "");
          const kept = fields.length ? await choose(`${name(thing)} has changed`, fields) : new Set();
          if (!kept) return null;
          entered = Object.fromEntries(Object.keys(entered).map(f => [f, kept.has(f) ? entered[f] : now[f]]));
          base = now;
        }
      }
    },

    // remove removes a thing as it was seen. asks gets what has changed since, and gives whether to go on.
    async remove(thing, asks) {
      for (let seen = thing; ;) {
        try {
          return void await call("DELETE", path(thing), { credential: session.admin, headers: on(seen) });
        } catch (e) {
          if (e.status !== 412 || !e.current) throw e;
          if (!await asks(both(rows(seen, e.current), ["What you saw", "What is there now"]))) return false;
          seen = e.current;
        }
      }
    },
  };
}
