// A number over time as an SVG line, drawn from the points of an hour.
import { el, reconcile, setText, svg } from "./dom.js";

const kept = 60 * 60; // seconds
const fine = 300; // seconds in which each point stays; of older ones, those of ten seconds become one
const bucket = 10_000; // milliseconds
const many = 900; // points after which the older ones are joined
const width = 600, height = 100;
const step = 6; // units of width that get one point: about twice the width of the line, so that two lines leave a space between them

// History keeps points {at, …} in order; one without values marks a break.
export class History {
  points = [];

  add(point) {
    this.points.push(point);
    const oldest = point.at - kept * 1000;
    let old = 0;
    while (this.points[old].at < oldest) old++;
    if (old) this.points.splice(0, old);
    if (this.points.length > many) this.#join(point.at - fine * 1000);
  }

  // before puts points before all others, such as those that the gateway has kept.
  before(points) {
    const first = this.points[0]?.at ?? Infinity;
    this.points.unshift(...points.filter(p => p.at < first));
  }

  // join makes one point of those of ten seconds, up to a time.
  #join(until) {
    const joined = [], rest = this.points.findIndex(p => p.at >= until);
    let some = [];
    const flush = () => {
      if (some.length) joined.push(mean(some));
      some = [];
    };
    for (const p of this.points.slice(0, rest)) {
      if (some.length && p.at - some[0].at >= bucket) flush();
      if (isBreak(p)) {
        flush();
        joined.push(p);
      } else some.push(p);
    }
    flush();
    this.points.splice(0, rest, ...joined);
  }

  // age is how many seconds it covers.
  get age() {
    return this.points.length ? (this.points.at(-1).at - this.points[0].at) / 1000 : 0;
  }
}

// A point without values marks a break.
const isBreak = p => Object.keys(p).length === 1;

// mean is one point for several: rates are averaged, and of the rest the last counts, or the greatest lag.
function mean(points) {
  const last = points.at(-1), sum = { ...last };
  for (const name of ["eventsRate", "deliveriesRate"]) {
    const known = points.map(p => p[name]).filter(Number.isFinite);
    if (known.length) sum[name] = known.reduce((a, b) => a + b) / known.length;
  }
  sum.lag = Math.max(...points.map(p => p.lag ?? 0));
  return sum;
}

// ceiling is the top of the axis: a round number at or above the greatest value.
export function ceiling(value, least, base = 10) {
  const top = Math.max(value, least);
  const size = base ** Math.floor(Math.log(top) / Math.log(base) + 1e-9);
  const steps = base === 10 ? [1, 2, 4, 6, 8, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
  return size * steps.find(s => s * size >= top * (1 - 1e-9));
}

// highest leaves one point for each step, as high as the highest there: lines up and down between more of them would fill the plot.
function highest(run) {
  const kept = [];
  for (const point of run) {
    const before = kept.at(-1);
    if (!before || Math.floor(before[0] / step) !== Math.floor(point[0] / step)) kept.push(point);
    else kept[kept.length - 1] = [point[0], Math.min(point[1], before[1])];
  }
  return kept;
}

export class Chart {
  #window = null; // what was drawn last: {points, from, span, top}

  // what: {title, value: point → number, show: number → text, least, base, note: point → text or words, lead}. The note is a button
  // where lead = {when: point → boolean, open} has something to open.
  constructor(what) {
    Object.assign(this, { least: 4, base: 10, note: () => "", ...what });
    this.line = svg("path", { class: "chart-line", "vector-effect": "non-scaling-stroke" });
    this.area = svg("path", { class: "chart-area" });
    this.cross = svg("path", { class: "chart-cross", "vector-effect": "non-scaling-stroke" });
    const grid = [0.5, height / 2, height - 0.5].map(y => svg("path", { class: "chart-grid", d: `M0 ${y}H${width}`, "vector-effect": "non-scaling-stroke" }));
    this.svg = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `${this.title}: no figures yet` }, ...grid, this.area, this.line, this.cross);
    this.now = el("strong", { class: "figure", text: "–" });
    this.below = el("span", { class: "dim" });
    this.link = el("button", { type: "button", class: "link", hidden: true, onclick: () => this.lead.open() });
    this.top = el("span", { class: "axis top" });
    this.middle = el("span", { class: "axis middle" });
    this.start = el("span");
    this.tip = el("span", { class: "tip", hidden: true });
    const plot = el("div", { class: "plot" }, this.svg, this.top, this.middle, this.tip);
    plot.addEventListener("pointermove", e => this.#point(e));
    plot.addEventListener("pointerleave", () => this.#leave());
    this.element = el("section", { class: "card chart" },
      el("h3", { text: this.title }), el("p", { class: "figures" }, this.now, this.below, this.link), plot,
      el("p", { class: "axis-x dim", "aria-hidden": "true" }, this.start, el("span", { text: "now" })));
  }

  // draw shows the last span seconds.
  draw(points, span) {
    const last = points.at(-1);
    const from = last.at - span * 1000;
    const shown = points.filter(p => p.at >= from - 2000);
    const values = shown.map(this.value).filter(Number.isFinite);
    const greatest = values.length ? Math.max(...values) : 0;
    const top = ceiling(greatest, this.least, this.base);
    this.#window = { shown, from, span, top };
    const { line, area } = this.#paths();
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
    const value = this.value(last);
    setText(this.now, Number.isFinite(value) ? this.show(value) : "–");
    this.#say(this.note(last) || (values.length ? `highest ${this.show(greatest)}` : ""), this.lead?.when(last));
    setText(this.top, this.show(top));
    setText(this.middle, this.show(top / 2));
    setText(this.start, `${span / 60} min ago`);
    if (values.length)
      this.svg.setAttribute("aria-label", `${this.title} in ${span === 60 ? "the last minute" : `the last ${span / 60} minutes`}: now ${this.now.textContent}, lowest ${this.show(Math.min(...values))}, highest ${this.show(greatest)}`);
  }

  // say writes the note: a text, or a list of words {text, about}, each of which the pointer explains.
  #say(note, leads = false) {
    this.link.hidden = !leads;
    setText(this.link, leads ? note : "");
    if (typeof note === "string") return setText(this.below, leads ? "" : note);
    if (!this.below.firstElementChild) setText(this.below, "");
    reconcile(this.below, note, word => word.about, word => el("span", { title: word.about }), (e, word) => setText(e, word.text + (word === note.at(-1) ? "" : ", ")));
  }

  // clear shows that nothing is known.
  clear() {
    this.#window = null;
    this.#leave();
    for (const path of [this.line, this.area]) path.setAttribute("d", "");
    this.#say("");
    for (const text of [this.top, this.middle, this.start]) setText(text, "");
    setText(this.now, "–");
    this.svg.setAttribute("aria-label", `${this.title}: no figures yet`);
  }

  #x = p => (p.at - this.#window.from) / this.#window.span / 1000 * width;
  #y = v => height - 0.5 - v / this.#window.top * (height - 1);

  // paths interrupts the line where there are no values.
  #paths() {
    let line = "", area = "", run = [];
    const close = () => {
      if (!run.length) return;
      run = highest(run);
      if (run.length === 1) run.push([run[0][0] + 1, run[0][1]]);
      const path = run.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
      line += `M${path}`;
      area += `M${run[0][0].toFixed(1)} ${height}L${path}V${height}Z`;
      run = [];
    };
    for (const p of this.#window.shown) {
      const v = this.value(p);
      if (Number.isFinite(v)) run.push([this.#x(p), this.#y(v)]);
      else close();
    }
    close();
    return { line, area };
  }

  #point(e) {
    if (!this.#window) return;
    const box = this.svg.getBoundingClientRect();
    const at = this.#window.from + (e.clientX - box.left) / box.width * this.#window.span * 1000;
    let near = null;
    for (const p of this.#window.shown)
      if (Number.isFinite(this.value(p)) && (!near || Math.abs(p.at - at) < Math.abs(near.at - at))) near = p;
    if (!near) return;
    this.cross.setAttribute("d", `M${this.#x(near).toFixed(1)} 0V${height}`);
    this.tip.hidden = false;
    setText(this.tip, `${this.show(this.value(near))} at ${new Date(near.at).toLocaleTimeString()}`);
    this.tip.classList.toggle("left", e.clientX - box.left > box.width / 2);
  }

  #leave() {
    this.tip.hidden = true;
    this.cross.setAttribute("d", "");
  }
}
