// A balancer that sends each request to the next gateway, also those of one connection.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { poll } from "./process.mjs";

const dialMost = 2000; // milliseconds

export class Balancer {
  turn = 0;
  sockets = new Set();

  // targets are the addresses of the gateways. With trusting, the client's own X-Forwarded-For is passed on, as by a balancer
  // behind another proxy. With settled, a GET waits until all gateways have applied what one of them has: a plain read may be
  // older by milliseconds at another gateway, and some tests read what they have changed.
  constructor(targets, { trusting = false, settled = false } = {}) {
    this.targets = targets.map(url => new URL(url));
    Object.assign(this, { trusting, settled });
  }

  // start listens, on the address that it had before.
  async start() {
    this.server = createServer({ insecureHTTPParser: true, keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (from, to) => this.pass(from, to));
    this.server.on("upgrade", (from, socket, head) => this.upgrade(from, socket, head));
    this.server.on("clientError", (_, socket) => socket.destroy());
    this.server.on("connection", socket => {
      socket.setNoDelay(true).on("error", () => {});
      this.sockets.add(socket.on("close", () => this.sockets.delete(socket)));
    });
    await once(this.server.listen(this.url ? Number(new URL(this.url).port) : 0, "127.0.0.1"), "listening");
    return this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  // refuse takes no new connection. Those that are there live as long as their gateways let them.
  refuse() {
    this.server?.close();
  }

  stop() {
    this.refuse();
    for (const socket of this.sockets) socket.destroy();
  }

  // dial connects to the next gateway. If nothing listens there, it tries the others: nothing was sent to it then.
  async dial() {
    const first = this.turn++;
    for (let i = 0; i < this.targets.length; i++) {
      const { port, hostname } = this.targets[(first + i) % this.targets.length];
      const socket = await new Promise(done => {
        const one = connect({ port, host: hostname, noDelay: true, timeout: dialMost }, () => done(one.setTimeout(0)));
        one.on("error", () => done(null)).on("timeout", () => one.destroy(new Error("no connection in time")));
      });
      if (socket) return socket;
    }
    return null;
  }

  async pass(from, to) {
    if (from.url === "/metrics" && from.method === "GET") return this.metrics(to);
    if (this.settled && from.method === "GET") await this.settle();
    const socket = await this.dial();
    if (!socket) return refused(to);
    if (to.destroyed) return socket.destroy();
    const far = request({ createConnection: () => socket, method: from.method, path: from.url, headers: this.headers(from, "close"), setHost: false });
    let answered = false;
    far.on("response", answer => {
      answered = true;
      to.writeHead(answer.statusCode, answer.statusMessage, without(/^(connection|keep-alive|transfer-encoding)$/i, answer.rawHeaders));
      to.flushHeaders();
      answer.pipe(to);
      answer.on("error", () => to.destroy()).on("aborted", () => to.destroy()); // a broken answer stays broken
    });
    far.on("error", () => answered || (to.headersSent ? to.destroy() : from.socket.destroy()));
    from.on("error", () => {});
    to.on("close", () => to.writableFinished || socket.destroy());
    from.pipe(far);
  }

  async upgrade(from, near, head) {
    near.on("error", () => {});
    const far = await this.dial();
    if (!far || near.destroyed) return near.destroy(), far?.destroy();
    const headers = this.headers(from, "Upgrade"), lines = [`${from.method} ${from.url} HTTP/1.1`];
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
    far.write(lines.join("\r\n") + "\r\n\r\n", "latin1");
    far.write(head);
    far.pipe(near).pipe(far);
    for (const [a, b] of [[near, far], [far, near]]) a.on("error", () => b.destroy()).on("close", () => b.destroy());
  }

  // headers are those of a request for a gateway, as a flat list.
  headers({ rawHeaders, socket }, connection) {
    const before = this.trusting ? rawHeaders.filter((_, i) => i % 2 && /^x-forwarded-for$/i.test(rawHeaders[i - 1])) : [];
    const forwarded = [...before, socket.remoteAddress].join(", ");
    return [...without(/^(connection|keep-alive|x-forwarded-for)$/i, rawHeaders), "X-Forwarded-For", forwarded, "Connection", connection];
  }

  figures() {
    return Promise.all(this.targets.map(url => fetch(new URL("/metrics", url)).then(r => r.text(), () => "")));
  }

  async settle() {
    const places = async () => (await this.figures()).map(page => Number(/^sluice_cluster_place (\S+)$/m.exec(page)?.[1] ?? Infinity));
    const end = Math.max(...(await places()).filter(Number.isFinite));
    await poll("the gateways to be in step", async () => (await places()).every(place => place >= end));
  }

  // metrics answers with the sums over all gateways: a monitoring system adds them up too.
  async metrics(to) {
    const pages = await this.figures(), sums = new Map();
    for (const line of pages.join("\n").split("\n")) {
      const [, name, value] = /^([^#].*) (\S+)$/.exec(line) ?? [];
      if (name) sums.set(name, (sums.get(name) ?? 0) + Number(value));
    }
    const lines = (pages.find(p => p) ?? "").split("\n").filter(l => l.startsWith("#"));
    for (const [name, sum] of sums) lines.push(`${name} ${sum}`);
    to.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(lines.join("\n") + "\n");
  }
}

// without are headers but those that match.
function without(names, raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) if (!names.test(raw[i])) kept.push(raw[i], raw[i + 1]);
  return kept;
}

const refused = to => to.writeHead(502, { "content-type": "text/plain" }).end("no gateway is there\n");
