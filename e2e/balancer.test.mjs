// The balancer that the tests of clusters use must not hide or add faults.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { Balancer } from "./balancer.mjs";

// start starts servers that answer by handle, which knows the number of its server, and a balancer before them.
async function start(t, n, handle, options) {
  const servers = Array.from({ length: n }, (_, i) => createServer((from, to) => handle(i, from, to)));
  for (const server of servers) await once(server.listen(0, "127.0.0.1"), "listening");
  const balancer = new Balancer(servers.map(s => `http://127.0.0.1:${s.address().port}`), options);
  t.after(() => (balancer.stop(), servers.forEach(s => (s.closeAllConnections(), s.close()))));
  return { servers, balancer, url: await balancer.start() };
}

const text = async (url, options) => (await fetch(url, options)).text();

test("each request goes to the next server, also on one connection, and past one that is down", async t => {
  const { servers, url } = await start(t, 3, (i, from, to) => to.end(String(i)));
  const got = [];
  for (let n = 0; n < 6; n++) got.push(await text(url));
  assert.deepEqual(got, ["0", "1", "2", "0", "1", "2"]);
  servers[1].close();
  servers[1].closeAllConnections();
  for (let n = 0; n < 6; n++) assert.match(await text(url), /^[02]$/);
});

test("bodies, headers and the client's address pass as they are", async t => {
  const seen = (i, from, to) => from.toArray().then(body => to.writeHead(201, { "x-answer": "a" }).end(JSON.stringify([from.method, from.url, from.headers["x-own"], from.headers["x-forwarded-for"], from.headers.host, Buffer.concat(body).length])));
  for (const trusting of [false, true]) {
    const { url } = await start(t, 2, seen, { trusting });
    for (const method of ["POST", "DELETE"]) {
      const answer = await fetch(url + "/a?q=%22", { method, body: "x".repeat(1 << 20), headers: { "x-own": "b", "x-forwarded-for": "203.0.113.7" } });
      const from = trusting ? "203.0.113.7, 127.0.0.1" : "127.0.0.1";
      assert.deepEqual([answer.status, answer.headers.get("x-answer"), await answer.json()], [201, "a", [method, "/a?q=%22", "b", from, new URL(url).host, 1 << 20]]);
    }
  }
});

test("what is written at once passes at once; a broken answer stays broken; who leaves is left", async t => {
  let open, left;
  const { url } = await start(t, 1, (_, from, to) => {
    to.write("first");
    open = to;
    left = once(from.socket, "close");
  });
  const [answer] = await once(request(url).end(), "response");
  assert.equal(String((await once(answer, "data"))[0]), "first");
  const broken = once(answer, "error");
  open.destroy();
  assert.equal((await broken)[0].code, "ECONNRESET");
  const again = request(url).on("error", () => {}).end();
  await once(again, "response");
  again.destroy();
  await left;
});

test("an upgrade is a connection in both directions", async t => {
  const { servers, url } = await start(t, 1, () => {});
  servers[0].on("upgrade", (from, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  const socket = connect(new URL(url).port, "127.0.0.1");
  socket.write("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 101/);
  socket.write("hello");
  assert.equal(String((await once(socket, "data"))[0]), "hello");
  socket.end();
  await once(socket, "close");
});

test("figures of all servers are added up; nobody answers for servers that are all down", async t => {
  const { servers, url } = await start(t, 3, (i, from, to) => to.end(`# TYPE a gauge\na{b="c"} ${i + 1}\n`));
  assert.equal(await text(url + "/metrics"), '# TYPE a gauge\na{b="c"} 6\n');
  for (const server of servers) (server.close(), server.closeAllConnections());
  assert.equal((await fetch(url)).status, 502);
});
