// What a key may do as a table, one row for each collection or event name, as RestDB's own dialog has
// it; patterns that do not fit a row stay as text beside it.
import { el } from "./dom.js";

const methods = ["POST", "PUT", "DELETE"];
const columns = [...methods, "custom"];
const sides = [["sub", "Subscribe"], ["pub", "Publish"]];

// cell is a pattern's place in the table, null where it has none.
export function cell(pattern) {
  const [left, right, more] = pattern.split(":");
  if (more !== undefined || pattern === "*" || left.startsWith("$")) return null;
  if (right === undefined) return { name: left, column: "custom" };
  const method = left.toUpperCase() === "PATCH" ? "PUT" : left.toUpperCase();
  return methods.includes(method) ? { name: right, column: method } : null;
}

const patternOf = (name, column) => column === "custom" ? name : `${column}:${name}`;

const list = text => text.split(/[,\n]/).map(s => s.trim()).filter(Boolean);

function body() {
  const head = el("thead", {},
    el("tr", {}, el("th", { scope: "col", rowspan: 2, text: "Collection or event" }), ...sides.map(([, title]) => el("th", { scope: "colgroup", colspan: columns.length, text: title }))),
    el("tr", {}, ...sides.flatMap(() => columns.map(c => el("th", { scope: "col", text: c === "DELETE" ? "DEL" : c, title: c === "custom" ? "the custom event of that name" : `${c} in that collection` })))));
  const rows = el("tbody");
  return { table: el("table", { class: "channels" }, head, rows), rows };
}

// Channels is the editor: element to show, grant to read.
export class Channels {
  constructor(key) {
    const { table, rows } = body();
    this.rows = rows;
    this.free = {};
    const placed = new Map();
    const all = { sub: key?.sub ?? [], pub: key?.pub ?? [] };
    const rest = { sub: [], pub: [] };
    for (const [side] of sides)
      for (const pattern of all[side]) {
        const at = cell(pattern);
        if (!at) rest[side].push(pattern);
        else placed.set(at.name, [...placed.get(at.name) ?? [], `${side} ${at.column}`]);
      }
    for (const [name, checked] of placed) this.#add(name, checked);
    this.#add();
    const free = sides.map(([side, title]) => el("label", {}, el("span", { text: `${title}: other patterns` }),
      this.free[side] = el("input", { value: rest[side].join(", "), placeholder: "*:customer, chat-7:lobby, *", autocomplete: "off", spellcheck: "false" })));
    this.element = el("fieldset", {},
      el("legend", { text: "Channels" }),
      el("p", { class: "dim", text: "Write a collection (customer) or the name of a custom event (boing, chat-*) and tick what is allowed there. A single * in the field for other patterns means everything." }),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Channels as a table" }, table),
      el("div", { class: "fields" }, ...free));
  }

  #add(name = "", checked = []) {
    const input = el("input", { value: name, "aria-label": "Collection or event name", autocomplete: "off", spellcheck: "false", maxlength: 128 });
    const boxes = sides.flatMap(([side, title]) => columns.map(column => el("td", {}, el("label", { class: "box" },
      el("input", { type: "checkbox", value: `${side} ${column}`, checked: checked.includes(`${side} ${column}`), "aria-label": `${title} ${column} ${name}`.trim() })))));
    const tr = el("tr", {}, el("th", { scope: "row" }, input), ...boxes);
    input.addEventListener("input", () => {
      if (input.value.trim() && tr === this.rows.lastElementChild) this.#add();
      for (const box of tr.querySelectorAll("[type=checkbox]"))
        box.setAttribute("aria-label", `${box.value.replace("sub ", "Subscribe ").replace("pub ", "Publish ")} ${input.value.trim()}`.trim());
    });
    this.rows.append(tr);
  }

  // grant is {sub, pub} as ticked and typed.
  grant() {
    const out = {};
    for (const [side] of sides) {
      const patterns = new Set();
      for (const tr of this.rows.children) {
        const name = tr.querySelector("th input").value.trim();
        if (!name) continue;
        for (const box of tr.querySelectorAll(`[value^="${side} "]:checked`)) patterns.add(patternOf(name, box.value.slice(side.length + 1)));
      }
      for (const pattern of list(this.free[side].value)) patterns.add(pattern);
      out[side] = [...patterns];
    }
    return out;
  }

  // fieldOf is the input that a pattern is entered in: the name of a row, or the text for other patterns.
  fieldOf(side, pattern) {
    const name = cell(pattern)?.name;
    const typed = list(this.free[side].value).includes(pattern) ? null : [...this.rows.querySelectorAll("th input")].find(input => name && input.value.trim() === name);
    return typed ?? this.free[side];
  }

  // fault says what would be lost or mean another thing than it shows.
  fault() {
    for (const tr of this.rows.children) {
      const name = tr.querySelector("th input").value.trim();
      const ticked = tr.querySelectorAll(":checked");
      if (!name && ticked.length) return "A row has ticks but no name.";
      if (/[:,]/.test(name)) return `"${name}" is a pattern: write it in the field for other patterns.`;
      if (name === "*" && [...ticked].some(box => box.value.endsWith("custom"))) return "A custom event * would mean everything. If you want that, write * in the field for other patterns.";
    }
    return "";
  }
}
