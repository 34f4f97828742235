// A table over the documents of a collection. Each change of a document is also an event, and the page follows these events.
import { Documents } from "./documents.js";
import { Editor } from "./editor.js";

const $ = id => document.getElementById(id);
const documents = new Documents("product");
const editor = new Editor(documents);
const rows = new Map(); // the rows on the page, by id

function show(text, look = "") {
  $("state").textContent = text;
  $("state").className = `state ${look}`;
}

const attempt = promise => promise.catch(e => show(e.message, "bad"));

function button(text, f) {
  const b = document.createElement("button");
  b.className = "plain";
  b.textContent = text;
  b.addEventListener("click", f);
  return b;
}

// makeRow makes the row of a document, without its texts. It stays when they change, so that nobody loses the focus.
function makeRow(id) {
  const row = document.createElement("tr");
  const [name, price, stock] = ["span", "span", "span"].map(tag => document.createElement(tag));
  // Adding is done by the gateway: two pages that add at the same time lose nothing.
  const add = n => attempt(documents.change(id, { $inc: { stock: n } }));
  const buttons = [button("−", () => add(-1)), button("+", () => add(1)), button("Edit", () => editor.open(id)), button("Delete", () => attempt(documents.remove(id)))];
  for (const [className, ...content] of [["", name], ["number", price], ["number", buttons[0], stock, buttons[1]], ["actions", buttons[2], buttons[3]]]) {
    const cell = row.insertCell();
    cell.className = className;
    cell.append(...content);
  }
  return { row, name, price, stock, buttons };
}

documents.onChange = (id, doc) => {
  editor.changed(id, doc);
  const old = rows.get(id);
  if (!doc) {
    old?.row.remove();
    rows.delete(id);
    return;
  }
  const made = old ?? makeRow(id), { row } = made;
  rows.set(id, made);
  made.name.textContent = doc.name;
  made.price.textContent = Number(doc.price).toFixed(2);
  made.stock.textContent = doc.stock;
  ["One less of", "One more of", "Edit", "Delete"].forEach((what, i) => made.buttons[i].ariaLabel = `${what} ${doc.name}`);
  if (documents.loaded) { // shows what is new
    row.className = "";
    row.getBoundingClientRect(); // ends a flash that still runs
    row.className = "new";
  }
  if (row.dataset.name === doc.name) return;
  row.dataset.name = doc.name;
  const next = [...$("rows").children].find(r => r !== row && r.dataset.name.localeCompare(doc.name) > 0);
  $("rows").insertBefore(row, next ?? null);
};
documents.onState = show;
$("new").addEventListener("click", () => editor.open());
await attempt(documents.start());
