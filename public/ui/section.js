// The part of the page that one view has, made here and not in index.html: its heading, what is counted, the answers to what
// was done, a search, buttons, and below them what the view shows.
import { $, el } from "./dom.js";

// section makes one and appends it to the page, hidden. what: {search, buttons, about, body}: the label of a search, buttons of
// the bar, a paragraph below it, and elements that follow.
export function section(id, title, { search, buttons = [], about, body = [] } = {}) {
  const parts = {
    title: el("h2", { id: `${id}-title`, tabindex: "-1", text: title }),
    count: el("span", { id: `${id}-count`, class: "dim" }),
    answer: el("p", { id: `${id}-answer`, class: "answer", role: "status" }),
    search: search && el("input", { id: `${id}-filter`, type: "search", placeholder: "Filter", maxlength: 256, autocomplete: "off", spellcheck: "false" }),
    pages: el("div", { id: `${id}-pages`, class: "pages" }),
  };
  const bar = el("div", { class: "bar" }, parts.title, parts.count, parts.answer,
    search ? el("label", { class: "inline" }, el("span", { class: "offscreen", text: search }), parts.search) : "", ...buttons);
  parts.element = el("section", { id, "aria-labelledby": `${id}-title`, hidden: true },
    bar, about ? el("p", { class: "dim about" }, about) : "", parts.pages, ...body);
  $("main").append(parts.element);
  return parts;
}
