// The server of an example as a child process, and a browser for its pages.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { launch, onFault } from "./browsers.mjs";
import { Gateway, poll } from "./gateway.mjs";

const examples = join(import.meta.dirname, "..", "examples");

export class Site {
  // command runs in the folder of the example; env is added to the environment.
  constructor(folder, command, env) {
    Object.assign(this, { folder, command, env, log: "" });
  }

  // start starts it, on the port that it had before, and returns its address.
  async start() {
    const [program, ...args] = this.command;
    const port = this.url ? new URL(this.url).port : "0";
    this.child = spawn(program, args, { cwd: join(examples, this.folder), stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PORT: port, ...this.env } });
    const failed = once(this.child, "error").then(([e]) => { throw e; });
    let said = "";
    this.child.stdout.on("data", chunk => said += chunk);
    this.child.stderr.on("data", chunk => this.log += chunk);
    return this.url = await Promise.race([failed, poll(() => `${this.folder}: ${this.log}`, () => {
      assert.equal(this.child.exitCode, null, this.log);
      return /http:\/\/[\d.]+:\d+/.exec(said)?.[0];
    })]);
  }

  async stop(signal = "SIGKILL") {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, "exit");
  }
}

// example runs a gateway, the server of an example and a browser for the tests of a file. The gateway has the keys of the
// README, so that who follows that gets what is tested.
export function example(folder, command, env = {}, settings = {}) {
  const keys = /API_KEYS='([^']+)'/.exec(readFileSync(join(examples, folder, "README.md"), "utf8"))[1], [{ key }] = JSON.parse(keys);
  const s = { faults: [], key };
  before(async () => {
    s.gateway = new Gateway({ API_KEYS: keys, LOG_LEVEL: "error", ...settings });
    await s.gateway.start();
    s.site = new Site(folder, command, { GATEWAY: s.gateway.url, KEY: key, PYTHONUNBUFFERED: "1", ...env });
    await s.site.start();
    s.browser = await launch();
  });
  after(async () => {
    await s.browser?.close();
    await s.site?.stop();
    await s.gateway?.remove();
    assert.deepEqual(s.faults, []);
  });

  // open opens a page in a context; an exception in it fails the tests.
  s.open = async (context, path = "/", at = s.site) => {
    const page = await context.newPage();
    onFault(page, e => s.faults.push(`${path}: ${e.stack}`));
    await page.goto(at.url + path);
    return page;
  };

  // events are those of the log that a query selects.
  s.events = async query => {
    const r = await fetch(`${s.gateway.url}/realtime?until=caught-up&${query}`, { headers: { "x-apikey": key, accept: "application/x-ndjson" } });
    const text = await r.text();
    assert.equal(r.status, 200, text);
    return text.split("\n").filter(Boolean).map(line => JSON.parse(line));
  };
  return s;
}

// state waits until the page's line of state has a text.
export const state = (page, text) => page.getByRole("status").filter({ hasText: new RegExp(`^${text}`) }).first().waitFor();

// settles waits until read gives what is wanted.
export async function settles(read, want, ms) {
  let got;
  await poll(() => `${JSON.stringify(got)}, not ${JSON.stringify(want)}`, async () => isDeepStrictEqual(got = await read(), want), ms);
}

export { poll };
