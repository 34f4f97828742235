// Dialogs of the page itself: modal, closed by Escape, the focus returns to where it was.
import { el } from "./dom.js";

// open shows content in a dialog and removes it when it closes. locked ones stay on Escape.
export function open(title, content, { locked = false } = {}) {
  const id = `dialog-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const dialog = el("dialog", { "aria-labelledby": id }, el("h2", { id, text: title }), content);
  // A second Escape in a row would close it all the same, were the key itself not held back.
  if (locked) dialog.addEventListener("keydown", e => e.key === "Escape" && e.preventDefault());
  if (locked) dialog.addEventListener("cancel", e => e.preventDefault());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// closed waits until a dialog is: what opens one does nothing else meanwhile.
export const closed = dialog => new Promise(done => dialog.addEventListener("close", () => done()));

// confirm asks before what cannot be taken back; more is shown below the text.
export function confirm(title, text, action, more = "") {
  return new Promise(done => {
    let said = false;
    const answer = yes => {
      said = yes;
      dialog.close();
    };
    const dialog = open(title, el("div", {},
      el("p", { text }), more,
      el("div", { class: "actions" },
        el("button", { type: "button", autofocus: true, text: "Keep", onclick: () => answer(false) }),
        el("button", { type: "button", class: "danger", text: action, onclick: () => answer(true) }))));
    dialog.addEventListener("close", () => done(said));
  });
}
