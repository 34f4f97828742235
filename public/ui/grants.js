// What a key, a user or a token may do, as lists and forms show it, and the warning for one that may do nothing.
import { el, message } from "./dom.js";

// mayNothing reports whether a grant is empty.
export const mayNothing = ({ sub, pub, rest }) => !sub?.length && !pub?.length && !rest?.length;

// patterns is a term with the patterns of one list.
export const patterns = (title, list) => el("div", {}, el("dt", { text: title }),
  el("dd", { class: "patterns" }, ...(list?.length ? list.map(p => el("code", { text: p })) : [el("span", { class: "dim", text: "nothing" })])));

// terms are those of a whole grant.
export const terms = ({ sub, pub, rest }) => [patterns("Subscribe", sub), patterns("Publish", pub), patterns("Documents", rest)];

const global = " Only settings of the gateway let it do more: REALTIME_GLOBAL opens all channels, and ROOM_CREATE=key lets every key make rooms.";

// empty is the text of the warning. what is "key", "user" or "token".
export const empty = what => what === "token" ? "A token without a channel and without documents would do nothing: the gateway makes none."
  : `This ${what} may do nothing: it has no channel and no documents.${what === "key" ? global : ""}`;

// warning is the text above as an element of a list, "" where the grant is not empty.
export const warning = (what, grant) => mayNothing(grant) ? el("p", { class: "warn", text: empty(what) }) : "";

// watchGrant shows the warning in a form as long as what is entered grants nothing.
export function watchGrant(form, what, entered) {
  const place = el("p", { class: "warn", role: "status" });
  const look = () => message(place, mayNothing(entered()) ? empty(what) : "");
  form.addEventListener("input", look);
  form.addEventListener("change", look);
  look();
  return place;
}

const titles = { sub: "Subscribe", pub: "Publish", rest: "Documents" };

// blame marks the fields that an error of the gateway is about, and gives its text with their names in the form. fieldOf gives
// the input of a part of the grant that has a pattern.
export function blame({ status, message: text }, fieldOf) {
  if (status !== 400) return text;
  return text.replace(/\b(?:it has )?in (sub|pub|rest): pattern "([^"]*)"/g, (_, part, pattern) => {
    mark(fieldOf(part, pattern));
    return `in ${titles[part]}, "${pattern}"`;
  });
}

// mark shows that an input is wrong, until it is changed.
export function mark(input) {
  input.setAttribute("aria-invalid", "true");
  input.addEventListener("input", () => input.removeAttribute("aria-invalid"), { once: true });
}

// texts are the entries of a field that takes several.
export const texts = text => text.split(/[,\s]+/).filter(Boolean);

let fields = 0;

// field is a labelled input of a form, with what it is about below it. That describes the input, and is no part of its name.
export function field(title, input, about) {
  const label = el("label", {}, el("span", { text: title }), input);
  if (!about) return label;
  const id = `about-${++fields}`;
  input.setAttribute("aria-describedby", id);
  return el("div", {}, label, el("small", { id, class: "dim", text: about }));
}
