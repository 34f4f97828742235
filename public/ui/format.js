// Numbers and times as text.
import { el, setText } from "./dom.js";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = n => whole.format(n);
// counted is a number with what it counts.
export const counted = (n, one, several = `${one}s`) => `${count(n)} ${n === 1 ? one : several}`;
export const compact = n => n < 10_000 ? tenth.format(n) : short.format(n);
export const rate = n => compact(n >= 10 ? Math.round(n) : n);

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1).replace(/\.0$/, "")} ${units[i]}`;
}

export const milliseconds = n => n < 1000 ? `${Math.round(n)} ms` : `${tenth.format(n / 1000)} s`;

const spans = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

export function duration(seconds) {
  for (const [unit, size] of spans)
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return "0 s";
}

// raised rounds up to whole days, hours, minutes or seconds.
function raised(seconds) {
  const [, size] = spans.find(([, size]) => seconds > size) ?? spans.at(-1);
  return Math.ceil(seconds / size) * size;
}

// age counts by the second within the first hour.
const age = seconds => seconds < 60 || seconds >= 3600 ? duration(seconds) : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;

// skew is how far the server's clock is before ours, in milliseconds.
let skew = 0;

// setSkew takes the server's time. A header has whole seconds: less than two may be rounding.
export function setSkew(server) {
  const d = Date.parse(server) - Date.now();
  if (Number.isFinite(d)) skew = Math.abs(d) > 2000 ? d : 0;
}

// What ends in 9 min 59 s ends in 10 min: up rounds to the next unit.
function relative(date, up = false) {
  const seconds = (Date.now() + skew - date) / 1000;
  if (seconds <= -1) return `in ${duration(up ? raised(-seconds) : -seconds)}`;
  return seconds < 1 ? "now" : `${age(seconds)} ago`;
}

// idTime is about when an event was stored: ids are microseconds of the log's own time, which is away from the clock's by what
// that was set.
export const idTime = id => new Date(Number(id) / 1000);

// when is a time that keeps telling how long ago it is, and in full where the pointer rests on it.
export function when(date, { up = false } = {}) {
  const e = el("time", { text: relative(date, up), "data-up": up });
  setWhen(e, date);
  return e;
}

// Made once: to make one takes longer than to write a hundred dates with it.
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function setWhen(e, date) {
  const iso = date.toISOString();
  if (e.getAttribute("datetime") !== iso) {
    e.setAttribute("datetime", iso);
    e.title = `${full.format(date)}\n${iso}`;
  }
  setText(e, relative(date, "up" in e.dataset));
}

setInterval(() => {
  if (document.hidden) return;
  for (const e of document.querySelectorAll("time[datetime]"))
    if (e.checkVisibility?.() ?? true) setText(e, relative(new Date(e.dateTime), "up" in e.dataset));
}, 1000);
