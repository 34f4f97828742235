// The list of events as it is seen, newest first. Many more can come than anybody reads: those are kept as they came, and only
// what is shown is parsed and drawn.
import { $, act, setText } from "./dom.js";
import { count } from "./format.js";
import { eventRow } from "./row.js";

const kept = 2000; // newest events and notices, which can be filtered and paged through
const keptText = 8 << 20; // of characters: events may have 64 KiB each
const shown = 200; // rows of the page at most
const drawn = 40; // rows that one drawing makes at most: more than a screen has
const every = 200; // milliseconds between drawings

let rows = []; // {n, frame or element, text}, newest last
let found = []; // those that match the filter
let page = []; // those that are shown, newest first: neighbours in found
let next = 0, size = 0, received = 0, held = 0, timer = 0;
let paused = false, end = Infinity; // while paused: the number of the first row that waits
let back = false; // the page is one of older rows
let want = "", nothing = "";

const list = () => $("event-list").parentElement;
const matches = row => !want || !row.text || row.text.toLowerCase().includes(want);

// put takes a row: {frame} of an event or {element} of a notice.
export function put(row) {
  row.n = next++;
  row.text = row.frame?.data ?? "";
  if (row.frame) received++;
  if (row.frame && paused) held++;
  rows.push(row);
  size += row.text.length;
  if (matches(row)) found.push(row);
  if (rows.length > kept * 1.25 || size > keptText) trim();
  timer ||= setTimeout(draw, every);
}

// trim lets the oldest go, many at once, since each time moves all others.
function trim() {
  let old = Math.max(0, rows.length - kept);
  size -= rows.slice(0, old).reduce((sum, row) => sum + row.text.length, 0);
  for (; size > keptText * 0.9 && old < rows.length - 1; old++) size -= rows[old].text.length;
  rows.splice(0, old);
  found.splice(0, place(rows[0].n));
}

// place is where in found the row with that number is or would be.
function place(n) {
  let low = 0, high = found.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (found[middle].n < n) low = middle + 1;
    else high = middle;
  }
  return low;
}

// newer and older are how many of found lie on both sides of what is shown.
const newer = () => place(end) - (page.length ? place(page[0].n + 1) : 0);
const older = () => page.length ? place(page.at(-1).n) : 0;

// Who reads further down, or has an event open, keeps what is there.
const reading = () => list().scrollTop > 0 || Boolean(list().querySelector("details[open]"));

const element = row => row.frame ? eventRow(row.frame) : row.element;

function drop(from) {
  while ($("event-list").children.length > from) $("event-list").lastChild.remove();
  page.length = from;
}

// above puts the newest rows on top, and below adds older ones at the end.
function above(fresh, keeps) {
  const height = keeps ? list().scrollHeight : 0;
  $("event-list").prepend(...fresh.map(element));
  page.unshift(...fresh);
  if (keeps) list().scrollTop += list().scrollHeight - height;
}

function below(most) {
  const before = older();
  const more = found.slice(Math.max(0, before - most), before).reverse();
  $("event-list").append(...more.map(element));
  page.push(...more);
}

const latest = n => found.slice(Math.max(0, place(end) - n), place(end)).reverse();

// flow shows what is new, and gives how many have to wait. Where more came than can be read, it begins anew at the newest.
function flow() {
  const fresh = newer();
  if (back) return fresh;
  let made = 0;
  const still = paused || reading();
  if (!page.length || !still && fresh > drawn) {
    drop(0);
    above(latest(drawn));
    made = page.length;
  } else if (!still || !paused && page.length + fresh <= shown) {
    if (fresh) above(latest(fresh), still);
    made = fresh;
    if (!still) drop(Math.min(page.length, shown));
  }
  below(Math.max(0, Math.min(drawn - made, shown - page.length)));
  return newer();
}

export function draw() {
  clearTimeout(timer);
  timer = 0;
  tellPause();
  if (document.hidden || $("events").hidden) return; // what is not seen waits
  const waiting = flow();
  if (!back && page.length < shown && older()) timer = setTimeout(draw, every);
  const before = older();
  const part = page.length < found.length ? `, ${count(page.length)} are shown and ${count(found.length - page.length)} more are in memory` : "";
  setText($("received"), `${count(received)} received${part}`);
  $("newer").hidden = !(waiting || back) || paused;
  setText($("newer"), waiting ? `${count(waiting)} newer: show the newest` : "Show the newest");
  $("older").hidden = !before || page.length < shown && !back;
  setText($("older"), `${count(before)} older: show the next ${count(Math.min(shown, before))}`);
  $("nothing").hidden = page.length > 0;
  setText($("nothing"), rows.length && !found.length ? "No event among these matches the filter." : nothing);
}

function tellPause() {
  setText($("pause"), paused ? `Resume${held ? ` (${count(held)} waiting)` : ""}` : "Pause");
  $("pause").setAttribute("aria-pressed", String(paused));
}

function newest() {
  back = false;
  drop(0);
  list().scrollTop = 0;
  draw();
}

function further() {
  const before = older();
  back = true;
  drop(0);
  page = found.slice(Math.max(0, before - shown), before).reverse();
  $("event-list").append(...page.map(element));
  list().scrollTop = 0;
  draw();
  list().focus();
}

// filter looks through all that are kept.
function filter() {
  want = $("filter").value.trim().toLowerCase();
  found = rows.filter(matches);
  back = false;
  drop(0);
  draw();
}

function pause() {
  paused = !paused;
  end = paused ? next : Infinity;
  held = 0;
  tellPause(); // at once; the rest can wait for its turn
  timer ||= setTimeout(draw, 0);
}

export function clear() {
  rows = [];
  found = [];
  page = [];
  received = held = size = 0;
  back = false;
  $("event-list").replaceChildren();
  draw();
}

// tellNothing says what an empty list means.
export function tellNothing(text) {
  nothing = text;
  timer ||= setTimeout(draw, 0);
}

export function startList() {
  $("filter").addEventListener("input", filter);
  act($("pause"), "click", pause, { again: true });
  act($("clear"), "click", clear);
  act($("newer"), "click", newest);
  act($("older"), "click", further, { again: true });
  document.addEventListener("visibilitychange", draw);
  draw();
}
