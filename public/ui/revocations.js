// The tokens that were revoked, and the form that revokes further ones.
import { $, act, el, message, reconcile } from "./dom.js";
import { call } from "./api.js";
import { confirm } from "./dialog.js";
import { when } from "./format.js";
import { field } from "./grants.js";
import { Pages } from "./pages.js";
import { section } from "./section.js";
import { claimsOf, session } from "./session.js";

let pages, parts;

const row = r => el("tr", {},
  el("td", {}, el("span", { class: "chip", text: r.subject ? "subject" : "token" })),
  el("th", { scope: "row", class: "mono wrap" }, el("bdi", { text: r.subject ?? r.jti })),
  el("td", {}, r.revoked ? when(new Date(r.revoked)) : "–"));

function draw(list) {
  reconcile($("revocations-rows"), list, r => JSON.stringify(r), row);
  $("revocations-table").hidden = !list.length;
}

// revoke revokes a token by its jti, or all tokens of a subject so far.
export async function revoke(body) {
  const all = body.subject !== undefined;
  const sure = await confirm(all ? `Revoke all tokens of ${body.subject}?` : "Revoke this token?",
    `${all ? "All tokens that were issued to this subject so far stop working, and their" : `The token ${body.jti} stops working, and its`} streams end within a second. This cannot be undone.`, "Revoke");
  if (sure) await call("POST", "/admin/revocations", { credential: session.admin, body: JSON.stringify(body) });
  return sure;
}

// entered is what the form names: a token that was pasted whole names itself.
function entered(kind, value) {
  if (kind === "subject") return { subject: value };
  const claims = claimsOf(value);
  if (!claims) return { jti: value };
  if (!claims.jti) throw Error("This token has no jti. Revoke its subject instead.");
  return { jti: claims.jti };
}

function form() {
  const kind = el("select", {}, el("option", { value: "jti", text: "one token" }), el("option", { value: "subject", text: "all tokens of a subject" }));
  const value = el("input", { required: true, maxlength: 8192, autocomplete: "off", spellcheck: "false" });
  const about = el("small", { class: "dim" });
  const answer = el("p", { class: "answer", role: "status" });
  const explain = () => {
    about.textContent = kind.value === "jti" ? "its jti, or the token itself" : "the sub of the tokens; those issued later are valid";
  };
  kind.addEventListener("change", explain);
  explain();
  const element = el("form", { class: "card keyform", "aria-label": "Revoke tokens" },
    el("div", { class: "copyrow wraps" }, field("Revoke", kind), el("label", { class: "grow" }, el("span", { text: "Which" }), value), el("button", { class: "danger", text: "Revoke" })),
    about, answer);
  act(element, "submit", async () => {
    try {
      if (!await revoke(entered(kind.value, value.value.trim()))) return;
      message(answer, "It was revoked.");
      value.value = "";
      await pages.load();
      value.focus();
    } catch (e) {
      message(answer, e.message, true);
    }
  });
  return element;
}

export const loadRevocations = () => void pages.load();

export function startRevocations() {
  const table = el("div", { class: "scroll card stack", id: "revocations-table", tabindex: "0", role: "region", "aria-label": "List of revocations", hidden: true },
    el("table", {},
      el("thead", {}, el("tr", {}, ...["What", "Which", "Revoked"].map(text => el("th", { scope: "col", text })))),
      el("tbody", { id: "revocations-rows" })));
  parts = section("revocations", "Revoked tokens", {
    search: "Filter revocations",
    about: "A token that leaked is revoked by its jti. A subject is revoked with all tokens that it has so far.",
    body: [table],
  });
  parts.element.insertBefore(form(), parts.pages);
  pages = new Pages({ path: "/admin/revocations", search: parts.search, count: parts.count, place: parts.pages, draw, one: "revocation", all: "revocations", none: "Nothing was revoked." });
}
