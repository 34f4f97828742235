// What to do when somebody else has changed the same thing meanwhile: both are shown, and the person chooses.
import { act, el } from "./dom.js";
import { open } from "./dialog.js";

// both is a table of what was entered, or seen, and what is there now. rows: {name, title, mine, now, choice}. With pick each
// row has its choice, "mine" or "now" to begin with, or none where the person has to say.
export function both(rows, heads, pick) {
  const cell = (row, which) => {
    if (!pick) return el("td", { class: "wrap", text: row[which] });
    return el("td", { class: "wrap" }, el("label", { class: "choice" },
      el("input", { type: "radio", name: row.name, value: which, required: true, checked: row.choice === which }),
      el("span", { text: row[which] })));
  };
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "Field" }), ...heads.map(text => el("th", { scope: "col", text })))),
    el("tbody", {}, ...rows.map(row => el("tr", {}, el("th", { scope: "row", text: row.title }), cell(row, "mine"), cell(row, "now"))))));
}

// choose gives the names of the fields that stay as they were entered, null where the person goes back to the form.
export function choose(title, rows) {
  return new Promise(done => {
    let chosen = null;
    const form = el("form", { class: "keyform" },
      el("p", { text: "Somebody else has changed this since you opened the form, so nothing was saved. Choose the value to save for each field." }),
      both(rows, ["What you entered", "What is there now"], true),
      el("div", { class: "actions" },
        el("button", { type: "button", text: "Back to the form", onclick: () => dialog.close() }),
        el("button", { class: "primary", text: "Save this" })));
    act(form, "submit", () => {
      const picked = new FormData(form);
      chosen = new Set(rows.map(row => row.name).filter(name => picked.get(name) === "mine"));
      dialog.close();
    });
    const dialog = open(title, form);
    dialog.addEventListener("close", () => done(chosen));
  });
}
