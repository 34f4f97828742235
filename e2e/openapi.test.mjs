// A client that published tools generate from what the gateway serves at /openapi.json and /asyncapi.json.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import openapiTS, { astToString } from "openapi-typescript";
import { Gateway } from "./gateway.mjs";

const key = "openapi-0123456789abcdef", admin = "openapi-admin-0123456789";
let gateway, folder, documents, client;

before(async () => {
  gateway = new Gateway({ API_KEYS: JSON.stringify([{ name: "all", key, sub: ["*"], pub: ["*"] }, { name: "none", key: "none-0123456789abcdef" }]), ADMIN_KEY: admin });
  await gateway.start();
  folder = mkdtempSync(join(import.meta.dirname, "node_modules", ".openapi-")); // where imports find the packages
  const [openapi, asyncapi] = documents = await Promise.all(["/openapi.json", "/asyncapi.json"].map(async path => (await fetch(gateway.url + path)).json()));
  const schemas = { openapi: "3.1.0", info: openapi.info, paths: {}, components: { schemas: asyncapi.components.schemas } };
  for (const [name, document] of Object.entries({ openapi, asyncapi: schemas })) writeFileSync(join(folder, `${name}.d.ts`), astToString(await openapiTS(document)));
  copyFileSync(join(import.meta.dirname, "openapi-client.ts"), join(folder, "client.ts"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const compilerOptions = { strict: true, noUnusedLocals: true, target: "es2022", module: "nodenext", lib: ["es2023", "dom", "dom.iterable", "dom.asynciterable"], types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["client.ts"] }));
  try {
    execFileSync(process.execPath, [join(import.meta.dirname, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: folder, stdio: "pipe", encoding: "utf8" });
  } catch (e) {
    throw new Error(`the generated client does not compile:\n${e.stdout}`);
  }
  client = await import(join(folder, "client.js"));
});

after(async () => {
  if (folder) rmSync(folder, { recursive: true });
  await gateway?.remove();
});

// exchange publishes and subscribes at an address.
async function exchange(base) {
  const c = client.connect(base, key), stop = new AbortController();
  const events = client.subscribe(c, ["chat-1", "PUT:customer"], stop.signal);
  const { value: init } = await events.next();
  assert.equal(init.channel, "init");
  await client.publish(c, "other", 1);
  const id = await client.publish(c, "chat-1", { text: "hi" });
  assert.match(id, /^\d+$/);
  assert.deepEqual((await events.next()).value, { event: "chat-1", data: { text: "hi" } });
  stop.abort();
  await assert.rejects(events.next(), { name: "AbortError" });
}

test("it publishes and subscribes", () => exchange(gateway.url));

test("it gets refusals with their codes", async () => {
  const c = client.connect(gateway.url, "none-0123456789abcdef");
  await assert.rejects(client.publish(c, "chat-1", 1), /^Error: forbidden: /);
  await assert.rejects(client.subscribe(c, ["chat-1"], AbortSignal.timeout(10_000)).next(), /^Error: forbidden: /);
  await assert.rejects(client.subscribe(client.connect(gateway.url, key), ["put:"], AbortSignal.timeout(10_000)).next(), /^Error: bad_parameter: /);
});

test("it uses the administrator's API", async () => {
  const made = await client.makeKey(client.connect(gateway.url, admin), "made");
  await client.publish(client.connect(gateway.url, made), "chat-1", null);
  await assert.rejects(client.makeKey(client.connect(gateway.url, key), "made"), /^Error: 401 invalid_admin_key/);
  const administrator = client.connect(gateway.url, admin), stop = new AbortController();
  const events = client.subscribe(client.connect(gateway.url, key), ["chat-1"], stop.signal);
  await events.next();
  assert.equal(await client.largest(administrator), "all");
  stop.abort();
  const { line, who } = await client.newest(administrator);
  assert.deepEqual([line.event, line.data, who], ["chat-1", null, "made"]);
  await assert.rejects(client.newest(client.connect(gateway.url, key)), /^Error: invalid_admin_key: /);
});

test("the address in the document holds below a path of a proxy", async () => {
  const upstream = new URL(gateway.url);
  const proxy = createServer((q, r) => {
    if (!q.url.startsWith("/below/")) return r.writeHead(404).end();
    const ask = request({ host: upstream.hostname, port: upstream.port, method: q.method, path: q.url.slice("/below".length), headers: q.headers },
      a => a.pipe(r.writeHead(a.statusCode, a.headers)));
    ask.on("error", () => r.destroy());
    r.on("close", () => ask.destroy());
    q.pipe(ask);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  try {
    const at = `http://127.0.0.1:${proxy.address().port}/below/openapi.json`;
    const { servers } = await (await fetch(at)).json();
    await exchange(new URL(servers[0].url, at).href.replace(/\/$/, ""));
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("a published linter finds no fault in the documents", async () => {
  const config = await createConfig({ extends: ["recommended"], rules: {
    "operation-4xx-response": "off", // files of the dashboard are always there
    "operation-2xx-response": "off", // a WebSocket begins with 101
    "no-server-example.com": "off", "info-license": "off",
    "no-ambiguous-paths": "error", "no-invalid-media-type-examples": { severity: "error", allowAdditionalProperties: true }, "no-unused-components": "error",
  } });
  for (const document of documents) {
    const problems = await lintFromString({ source: JSON.stringify(document), config });
    assert.deepEqual(problems.map(p => `${p.severity} ${p.ruleId}: ${p.message} at ${p.location.map(l => l.pointer)}`), []);
  }
});
