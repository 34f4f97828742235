// RestDB's client in Node: what a browser would have, the script in a context of its own, and a clock for its time.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import vm from "node:vm";
import { parser } from "../public/sdk/sluice.js";

const script = join(import.meta.dirname, "..", "public", "sdk", "restdb.js");

const numbered = "x-test-number"; // the header of a request that a clock counts

// Clock is a world's time, which moves only inside until, and only when the world has nothing to do but wait: from one timer
// to the next, and not while a request is under way. So a busy machine takes none of it.
export class Clock {
  now = Date.now();
  timers = new Map(); // when and what each calls
  under = new Set(); // the numbers of the requests under way
  numbers = 0;
  changed = () => {};

  number() { return ++this.numbers; }

  begin(request) { this.under.add(request); }

  // end is also called when a door keeps a request without an answer: the client waits for its own timer then.
  end(request) {
    this.under.delete(request);
    this.changed();
  }

  setTimeout = (f, ms = 0, ...args) => {
    const timer = this.number();
    this.timers.set(timer, { at: this.now + Math.max(0, Math.ceil(ms)), call: () => f(...args) });
    return timer;
  };

  clearTimeout = timer => { this.timers.delete(timer); };

  // until lets time pass until done gives true. A clock has one until at a time.
  async until(what, done) {
    for (;;) {
      await new Promise(setImmediate); // behind all promises
      if (done()) return;
      if (this.under.size) await new Promise(changed => { this.changed = changed; });
      else this.step(what);
    }
  }

  step(what) {
    const [timer, next] = [...this.timers].reduce((a, b) => b[1].at < a[1].at ? b : a, [0, { at: Infinity }]);
    if (next.at === Infinity) throw new Error(`${what}: nothing is under way, and no timer is set`);
    this.timers.delete(timer);
    this.now = Math.max(this.now, next.at);
    next.call();
  }

  // pass lets a time pass.
  async pass(ms) {
    let over = false;
    this.setTimeout(() => { over = true; }, ms);
    await this.until(`${ms} ms`, () => over);
  }

  // world has what the script needs of this time. Its requests have a header with their numbers, for the door.
  world() {
    const clock = this;
    class Now extends Date {
      static now() { return clock.now; }
    }
    return {
      Date: Now, setTimeout: this.setTimeout, clearTimeout: this.clearTimeout,
      EventSource: class extends Source { static clock = clock; }, XMLHttpRequest: class extends Request { static clock = clock; },
    };
  }
}

// Source is an EventSource for Node, over fetch; its instances are kept.
export class Source extends EventTarget {
  static all = [];
  clock = this.constructor.clock; // see Clock.world
  readyState = 0;
  constructor(url) {
    super();
    this.url = url;
    Source.all.push(this);
    this.cut = new AbortController();
    this.read().catch(() => {}).then(() => this.fail());
  }
  async read() {
    this.number = this.clock?.number();
    this.clock?.begin(this.number);
    const headers = { accept: "text/event-stream", ...this.clock && { [numbered]: this.number } };
    const r = await fetch(this.url, { signal: this.cut.signal, headers });
    if (r.status !== 200) return;
    this.readyState = 1;
    this.onopen?.({ target: this });
    const parse = parser(), goesOn = !r.headers.has("content-length"), last = this.url.includes("from=now") ? "live" : "message";
    for await (const chunk of r.body)
      for (const { type, data, id } of parse.push(chunk)) {
        this.dispatchEvent(Object.assign(new Event(type), { data, lastEventId: id }));
        if (goesOn && type === last) this.clock?.end(this.number); // what was missed has come
      }
  }
  fail() {
    this.readyState = 2;
    this.onerror?.({ target: this });
    this.clock?.end(this.number);
  }
  close() {
    this.readyState = 2;
    this.onerror = null;
    this.cut.abort();
  }
}

// Request is an XMLHttpRequest, as far as it is used.
class Request {
  clock = this.constructor.clock; // see Clock.world
  headers = {};
  readyState = 0;
  open(method, url) { Object.assign(this, { method, url }); }
  setRequestHeader(name, value) { this.headers[name] = value; }
  getResponseHeader(name) { return this.answered[name] ?? null; }
  send(body) {
    const number = this.clock?.number();
    this.clock?.begin(number);
    if (this.clock) this.headers[numbered] = number;
    const end = (status, text, headers = {}) => {
      Object.assign(this, { status, responseText: text, readyState: 4, answered: headers });
      this.onreadystatechange?.();
      this.clock?.end(number);
    };
    const r = request(this.url, { method: this.method, headers: this.headers }, answer => {
      answer.toArray().then(chunks => end(answer.statusCode, chunks.join(""), answer.headers), () => end(0, ""));
    });
    r.on("error", () => end(0, ""));
    r.end(body);
  }
}

// inVM runs the script where there is no import and no fetch; its world has more, such as that of a Clock.
export function inVM(more = {}) {
  Source.all = [];
  const context = vm.createContext({ EventSource: Source, XMLHttpRequest: Request, setTimeout, clearTimeout, console, ...more });
  vm.runInContext(readFileSync(script, "utf8"), context, { filename: "_jsapi.js" });
  return context;
}

// Door stands before a gateway. answer, where it is set and gives true, has answered in its place; the rest is passed on.
// With a clock, it stands before a world of that time.
export class Door {
  answer = () => false;
  late = 0; // how many milliseconds of the clock later a request is passed on
  requests = []; // method, path and headers of each

  constructor(base, clock) {
    this.server = createServer((near, answer) => {
      this.requests.push({ method: near.method, path: near.url, headers: near.headers });
      const number = Number(near.headers[numbered]), own = this.answer(near, answer), pass = () => this.pass(base, near, answer);
      if (own && !answer.headersSent && !answer.destroyed) clock?.end(number);
      if (own) return;
      if (!this.late) return pass();
      clock.setTimeout(() => {
        clock.begin(number);
        pass();
      }, this.late);
      clock.end(number);
    });
  }

  pass(base, near, answer) {
    const far = request(base + near.url, { method: near.method, headers: near.headers }, r => r.on("error", () => {}).pipe(answer.writeHead(r.statusCode, r.headers)));
    answer.on("close", () => far.destroy());
    far.on("error", () => answer.destroy());
    near.pipe(far);
  }

  async start(t) {
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    t.after(() => (this.cut(), this.server.close()));
    return this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  // of gives the requests of a method for /realtime.
  of(method) { return this.requests.filter(r => r.method === method && r.path.startsWith("/realtime")); }

  cut() { this.server.closeAllConnections(); }

  // shut answers nothing more, and open does again.
  shut() {
    this.answer = (near, answer) => answer.destroy() || true;
    this.cut();
  }
  open() { this.answer = () => false; }
}
