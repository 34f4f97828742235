// RestDB's client in Node: what a browser would have, and the script in a context of its own.
import { readFileSync } from "node:fs";
import { request } from "node:http";
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
  send(body) {
    const r = request(this.url, { method: this.method, headers: this.headers }, async answer => {
      this.status = answer.statusCode;
      this.responseText = (await answer.toArray()).join("");
      this.readyState = 4;
      this.onreadystatechange?.();
    });
    r.end(body);
  }
}

// inVM runs the script where there is no import and no fetch.
export function inVM(EventSource = Source) {
  Source.all = [];
  const context = vm.createContext({ EventSource, XMLHttpRequest: Request, setTimeout, clearTimeout, setInterval, clearInterval, console });
  vm.runInContext(readFileSync(script, "utf8"), context, { filename: "_jsapi.js" });
  return context;
}
