// A table of one of the gateway's lists, a page at a time, with a field that narrows it.
import { el, reconcile } from "./dom.js";
import { Pages } from "./pages.js";

let made = 0;

// listing makes one. columns are {title, cell: entry → node or text, number, wrap, hidden: the title is for screen readers}; key names an entry; the rest is for Pages.
export function listing({ title, columns, key, filter, ...what }) {
  const id = `listing-${made++}`;
  const search = filter ? el("input", { type: "search", placeholder: filter, maxlength: 256, autocomplete: "off", spellcheck: "false" }) : el("input", { hidden: true });
  const summary = el("span", { class: "dim" });
  const place = el("div", { class: "pages" });
  const body = el("tbody");
  const head = el("tr", {}, ...columns.map(c => el("th", { scope: "col", class: c.number ? "number" : "" }, c.hidden ? el("span", { class: "offscreen", text: c.title }) : c.title)));
  const table = el("div", { class: "scroll card stack", tabindex: "0", role: "region", "aria-labelledby": id, hidden: true }, el("table", {}, el("thead", {}, head), body));
  const row = entry => el("tr", {}, ...columns.map((c, i) => el(i ? "td" : "th", { scope: i ? null : "row", "data-label": i && !c.hidden ? c.title : null, class: [c.number && "number", c.wrap && "wrap"].filter(Boolean).join(" ") }, c.cell(entry))));
  const draw = entries => {
    reconcile(body, entries, e => `${key(e)} ${JSON.stringify(e)}`, row);
    table.hidden = !entries.length;
  };
  const element = el("div", { class: "listing" },
    el("div", { class: "bar" }, el("h3", { id, tabindex: "-1", text: title }), summary,
      filter ? el("label", { class: "inline" }, el("span", { class: "offscreen", text: `Filter ${title.toLowerCase()}` }), search) : ""),
    place, table);
  return { element, pages: new Pages({ search, count: summary, place, draw, ...what }), heading: element.querySelector("h3") };
}
