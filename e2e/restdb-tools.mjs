// RestDB's client in Node: what a browser would have, and the script in a context of its own.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { join } from "node:path";
import vm from "node:vm";
import { parser } from "../public/sdk/sluice.js";

const script = join(import.meta.dirname, "..", "public", "sdk", "restdb.js");

// Source is an EventSource for Node, over fetch; its instances are kept.
export class Source extends EventTarget {
  static all = [];
  readyState = 0;
  constructor(url) {
    super();
    this.url = url;
    Source.all.push(this);
    this.cut = new AbortController();
    this.read().catch(() => {}).then(() => this.fail());
  }
  async read() {
    const r = await fetch(this.url, { signal: this.cut.signal, headers: { accept: "text/event-stream" } });
    if (r.status !== 200) return;
    this.readyState = 1;
    this.onopen?.({ target: this });
    const parse = parser();
    for await (const chunk of r.body)
      for (const { type, data, id } of parse.push(chunk)) this.dispatchEvent(Object.assign(new Event(type), { data, lastEventId: id }));
  }
  fail() {
    this.readyState = 2;
    this.onerror?.({ target: this });
  }
  close() {
    this.readyState = 2;
    this.onerror = null;
    this.cut.abort();
  }
}

// Request is an XMLHttpRequest, as far as it is used.
class Request {
  headers = {};
  readyState = 0;
  open(method, url) { Object.assign(this, { method, url }); }
  setRequestHeader(name, value) { this.headers[name] = value; }
  getResponseHeader(name) { return this.answered[name] ?? null; }
  send(body) {
    const end = (status, text, headers = {}) => {
      Object.assign(this, { status, responseText: text, readyState: 4, answered: headers });
      this.onreadystatechange?.();
    };
    const r = request(this.url, { method: this.method, headers: this.headers }, answer => {
      answer.toArray().then(chunks => end(answer.statusCode, chunks.join(""), answer.headers), () => end(0, ""));
    });
    r.on("error", () => end(0, ""));
    r.end(body);
  }
}

// inVM runs the script where there is no import and no fetch; more are things that its world has beside.
export function inVM(EventSource = Source, more = {}) {
  Source.all = [];
  const context = vm.createContext({ EventSource, XMLHttpRequest: Request, setTimeout, clearTimeout, setInterval, clearInterval, console, ...more });
  vm.runInContext(readFileSync(script, "utf8"), context, { filename: "_jsapi.js" });
  return context;
}

// hurried is a world whose time runs so many times faster.
export function hurried(times) {
  const start = Date.now();
  class Hurried extends Date {
    static now() { return start + (Date.now() - start) * times; }
  }
  return {
    Date: Hurried,
    setTimeout: (f, ms = 0, ...args) => setTimeout(f, ms / times, ...args),
    setInterval: (f, ms, ...args) => setInterval(f, ms / times, ...args),
  };
}

// Door stands before a gateway. answer, where it is set and gives true, has answered in its place; the rest is passed on.
export class Door {
  answer = () => false;
  late = 0; // how many milliseconds later a request is passed on
  requests = []; // method, path and headers of each

  constructor(base) {
    this.server = createServer((near, answer) => {
      this.requests.push({ method: near.method, path: near.url, headers: near.headers });
      if (!this.answer(near, answer)) setTimeout(() => this.pass(base, near, answer), this.late);
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
