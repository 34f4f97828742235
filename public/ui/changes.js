// The switch that shows what changes data. It is off each time the page is loaded, so that a look changes nothing by mistake.
import { $, el, message } from "./dom.js";
import { confirm } from "./dialog.js";
import { session } from "./session.js";

export function startChanges() {
  const box = $("allow-changes");
  box.checked = false; // a browser may have kept it over a reload
  box.addEventListener("change", () => document.body.classList.toggle("changes", box.checked));
}

// root is the administrator at the door of databases.
export const root = () => ({ kind: "root", value: session.admin.value });

// changer is a button that is there while changes are allowed. It asks before what cannot be taken back.
export const changer = (label, { name = label, title, text, action, done }, f) => el("button", {
  type: "button", class: "quiet danger change", "aria-label": name, text: label, onclick: async () => {
    if (!await confirm(title, text, action)) return;
    try {
      await f();
      message($("data-answer"), done);
    } catch (e) {
      message($("data-answer"), e.message, true);
    }
  },
});
