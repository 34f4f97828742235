// What the SDK's tests share: keys, tokens and a proxy that cuts.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer as createHTTP } from "node:http";
import { connect, createServer } from "node:net";

export const key = "sdk-0123456789abcdef";
export const secret = "sdk-secret-0123456789abcdef-0123456789abcdef";
const admin = "sdk-admin-0123456789";
export const settings = {
  API_KEYS: JSON.stringify([
    { name: "all", key, sub: ["*"], pub: ["*"] },
    { name: "writer", key: "sdk-writer-0123456789", pub: ["*"] },
  ]),
  JWT_SECRET: secret, ADMIN_KEY: admin, PING_INTERVAL: "300ms", LOG_LEVEL: "error",
};

// jwt is an HS256 token with a grant, for so many seconds.
export function jwt(seconds, claims = {}) {
  const part = v => Buffer.from(JSON.stringify(v)).toString("base64url");
  const exp = Math.ceil(Date.now() / 1000) + seconds;
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "ada", exp, realtime: { sub: ["*"], pub: ["*"] }, ...claims })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

// revoke ends tokens with this jti: a test that opens streams first needs no guess of how long that takes.
export async function revoke(base, jti) {
  const r = await fetch(base + "/admin/revocations", { method: "POST", body: JSON.stringify({ jti }), headers: { "x-apikey": admin, "content-type": "application/json" } });
  if (r.status !== 201) throw new Error(`not revoked: ${r.status}`);
}

// connections is how many streams the gateway has.
export async function connections(base) {
  const text = await (await fetch(base + "/metrics")).text();
  return Number(/^sluice_connections (\d+)/m.exec(text)[1]);
}

// script answers each request by the next of the steps; the last one stays.
export async function script(t, ...steps) {
  const seen = [];
  const server = createHTTP(async (request, answer) => {
    const body = (await request.toArray()).join("");
    seen.push({ method: request.method, url: request.url, headers: request.headers, body, at: Date.now() });
    steps[Math.min(seen.length, steps.length) - 1](answer, request);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

export const says = (status, body = {}, headers = {}) => answer => answer.writeHead(status, headers).end(JSON.stringify(body));
export const streams = (text, end = true) => answer => {
  answer.writeHead(200, { "content-type": "text/event-stream" }).write(text);
  if (end) answer.end();
};
export const init = (id, retry = 10) => `retry: ${retry}\nid: ${id}\ndata: {"channel":"init","data":{}}\n\n`;
export const frame = (id, data) => `id: ${id}\nevent: a\ndata: {"event":"a","data":${JSON.stringify(data)}}\n\n`;

// Proxy passes TCP on. cutAfter, asked at each chunk of an answer, gives after how many of its bytes to cut the connection.
export class Proxy {
  cutAfter = () => Infinity;
  pairs = new Set();
  made = 0; // connections so far
  down = false; // takes none

  constructor(target) {
    const { hostname, port } = new URL(target);
    this.server = createServer(near => {
      this.made++;
      if (this.down) return near.destroy();
      const far = connect(port, hostname), pair = { near, far };
      const end = () => {
        near.destroy();
        far.destroy();
        this.pairs.delete(pair);
      };
      this.pairs.add(pair);
      for (const s of [near, far]) s.on("error", end).on("close", end);
      near.on("data", chunk => far.write(chunk));
      far.on("data", chunk => {
        if (this.silent) return;
        const cut = this.cutAfter(chunk);
        if (cut >= chunk.length) return near.write(chunk);
        near.write(chunk.subarray(0, cut), end);
        this.pairs.delete(pair);
      });
    });
  }

  async start() {
    await once(this.server.listen(0, "127.0.0.1"), "listening");
    return this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  cut() {
    for (const { near } of this.pairs) near.destroy();
  }

  stop() {
    this.cut();
    this.server.close();
  }
}
