// Collections of documents, and the documents of one: found by a query of RestDB's, and changed while changes are allowed.
import { act, el, message, setText } from "./dom.js";
import { call, raw } from "./api.js";
import { changer } from "./changes.js";
import { closed, open as dialog } from "./dialog.js";
import { bytes, count, when } from "./format.js";
import { fault, member, parts, pretty } from "./json.js";
import { listing } from "./listing.js";
import { hrefOf } from "./place.js";
import { session } from "./session.js";

const limit = 50;
const path = (collection, id) => `/admin/collections/${encodeURIComponent(collection)}${id === undefined ? "" : `/${encodeURIComponent(id)}`}`;

let list;

function collections() {
  list ??= listing({
    title: "Collections", path: "/admin/collections", filter: "Filter", key: c => c.collection, none: "No collection has a document.", one: "collection", all: "collections",
    columns: [
      { title: "Collection", wrap: true, cell: c => el("a", { href: hrefOf("documents", c.collection), text: c.collection }) },
      { title: "Documents", number: true, cell: c => count(c.documents) },
      { title: "Size", number: true, cell: c => bytes(c.bytes) },
      { title: "Indexes", wrap: true, cell: c => c.indexes.join(", ") || "none" },
    ],
  });
  void list.pages.load();
  return list.element;
}

// Documents is the page of one collection.
class Documents {
  #skip = 0;

  constructor(collection) {
    this.collection = collection;
    this.query = el("input", { placeholder: '{"age":{"$gt":30}}', autocomplete: "off", spellcheck: "false", "aria-describedby": "documents-fault" });
    this.sort = el("input", { placeholder: "_id", autocomplete: "off", spellcheck: "false" });
    this.fault = el("p", { class: "answer bad", role: "alert", id: "documents-fault" });
    this.summary = el("span", { class: "dim", role: "status" });
    this.rows = el("ol", { class: "card rows", "aria-label": `Documents of ${collection}`, hidden: true });
    this.newer = el("button", { type: "button", class: "quiet", hidden: true, text: "Page before" });
    this.older = el("button", { type: "button", class: "quiet", hidden: true, text: "Next page" });
    act(this.newer, "click", () => this.load(this.#skip - limit), { again: true });
    act(this.older, "click", () => this.load(this.#skip + limit), { again: true });
    const form = el("form", { class: "card watch" },
      el("label", { class: "grow" }, el("span", { text: "Query (empty: all)" }), this.query),
      el("label", {}, el("span", { text: "Sort by" }), this.sort),
      el("div", { class: "actions" }, el("button", { text: "Find" })));
    act(form, "submit", () => this.load(0));
    this.element = el("div", {}, el("p", {}, el("a", { href: hrefOf("documents"), text: "All collections" })),
      el("div", { class: "bar" }, el("h3", { tabindex: "-1", text: collection }), this.summary), form, this.fault,
      el("div", { class: "pages" }, this.newer, this.older), this.rows);
    void this.load(0);
  }

  async load(skip) {
    const wrong = fault(this.query.value);
    message(this.fault, wrong, true);
    this.query.setAttribute("aria-invalid", String(Boolean(wrong)));
    if (wrong) return this.query.focus();
    const query = new URLSearchParams({ skip: Math.max(0, skip), max: limit, metafields: "true" });
    if (this.query.value.trim()) query.set("q", this.query.value.trim());
    const sort = this.sort.value.trim();
    if (sort) query.set("h", JSON.stringify({ $orderby: { [sort.replace(/^-/, "")]: sort.startsWith("-") ? -1 : 1 } }));
    try {
      const { text, headers } = await raw("GET", `${path(this.collection)}?${query}`, { credential: session.admin });
      const page = JSON.parse(headers.get("x-pagination"));
      this.#skip = page.skip;
      this.rows.replaceChildren(...parts(text).map(one => this.#row(one)));
      this.rows.hidden = !page.count;
      this.newer.hidden = !page.skip;
      this.older.hidden = page.skip + page.count >= page.total;
      setText(this.summary, page.count ? `${count(page.total)} match, ${count(page.skip + 1)} to ${count(page.skip + page.count)} are shown` : "No document matches.");
    } catch (e) {
      message(this.fault, e.message, true);
    }
  }

  #row(text) {
    const { _id: id, _changed: changed } = JSON.parse(text);
    const remove = changer("Delete", {
      name: `Delete ${id}`, title: `Delete ${id}?`, text: "Subscribers of the collection get the event that it is gone. This cannot be undone.", action: "Delete", done: `${id} was deleted.`,
    }, async () => {
      await call("DELETE", path(this.collection, id), { credential: session.admin });
      await this.load(this.#skip);
    });
    const change = el("button", { type: "button", class: "quiet change", "aria-label": `Change ${id}`, text: "Change", onclick: () => this.#change(id, text) });
    return el("li", {}, el("details", {},
      el("summary", {}, el("span", { class: "line" }, el("bdi", { class: "channel", text: id }), el("bdi", { class: "data", text: text.slice(0, 400).replace(/^\{"_id":"[^"]*",?/, "{") }), changed ? when(new Date(changed)) : "")),
      el("div", { class: "opened" }, el("pre", { tabindex: "0", role: "region", "aria-label": `The document ${id}` }, el("code", { text: pretty(text) })),
        el("div", { class: "opened-foot" }, el("span", { class: "dim", text: member(text, "_createdby") ? `made by ${JSON.parse(text)._createdby}` : "" }), change, remove))));
  }

  // change sets the fields that the administrator writes, and keeps the others, as PUT does.
  async #change(id, text) {
    const own = Object.fromEntries(Object.entries(JSON.parse(text)).filter(([name]) => !name.startsWith("_")));
    const field = el("textarea", { rows: 12, spellcheck: "false", "aria-label": "Fields as JSON" });
    field.value = JSON.stringify(own, null, 2);
    const answer = el("p", { class: "answer bad", role: "alert" });
    const form = el("form", { class: "keyform" },
      el("p", { class: "dim", text: "The fields below are set. Fields that you leave out stay as they are." }), field, answer,
      el("div", { class: "actions" }, el("button", { type: "button", text: "Cancel", onclick: () => box.close() }), el("button", { class: "primary", text: "Save" })));
    const box = dialog(`Change ${id}`, form);
    act(form, "submit", async () => {
      message(answer, fault(field.value), true);
      if (answer.textContent) return;
      try {
        await call("PUT", path(this.collection, id), { credential: session.admin, body: field.value });
        box.close();
        await this.load(this.#skip);
      } catch (e) {
        message(answer, e.message, true);
      }
    });
    await closed(box);
  }
}

export const documents = { name: "documents", title: "Documents", show: ([collection]) => collection === undefined ? collections() : new Documents(collection).element };
