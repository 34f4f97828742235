// Events of one stream, newest first: a page from the end, and older ones on demand.
import { act, el, message, setText } from "./dom.js";
import { counted } from "./format.js";

const limit = 100;
const most = 10_000; // that the gateway counts back

// eventPages makes such a list. read gives, oldest first, at most limit events that begin so many from the end; row makes a row.
export function eventPages({ title, read, row, tools = [] }) {
  const summary = el("span", { class: "dim" });
  const fault = el("p", { class: "answer bad", role: "alert" });
  const list = el("ol", { class: "card rows", "aria-label": `${title}, newest first` });
  const older = el("button", { type: "button", class: "quiet", hidden: true, text: "Older events" });
  let shown = 0, oldest = null, back = 0;
  async function load(anew) {
    if (anew) back = shown = 0, oldest = null;
    try {
      const got = await read(back + limit, limit);
      const fresh = got.filter(e => oldest === null || BigInt(e.id) < BigInt(oldest));
      if (anew) list.replaceChildren();
      list.append(...fresh.reverse().map(row));
      shown += fresh.length;
      back += limit;
      oldest = fresh.at(-1)?.id ?? oldest;
      older.hidden = fresh.length < limit || back >= most;
      list.hidden = !shown;
      setText(summary, !shown ? "No event." : `${counted(shown, "event")}${older.hidden ? "" : ", more follow"}`);
      message(fault, "");
    } catch (e) {
      message(fault, `Events cannot be read: ${e.message}`, true);
    }
  }
  act(older, "click", () => load(false), { again: true });
  const element = el("div", { class: "listing" },
    el("div", { class: "bar" }, el("h3", { tabindex: "-1" }, el("bdi", { text: title })), summary,
      el("button", { type: "button", class: "quiet", text: "Read again", onclick: () => load(true) }), ...tools), fault, list, older);
  return { element, load: () => load(true) };
}
