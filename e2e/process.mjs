// One built gateway as a child process, and how to wait for things.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const binary = join(import.meta.dirname, "..", "bin", "sluice");

// defaults are the settings that tests change only if they are about them.
export const defaults = { RETRY_CONNECT: "100ms", RETRY_EVENT: "100ms", DRAIN_TIMEOUT: "5s" };

export class Process {
  log = ""; // all that it wrote, if it is to be kept

  // With keep, what it writes is kept in log, and the tests' output has none of it.
  constructor(env, { keep = false } = {}) {
    this.env = { ...defaults, ...env };
    this.keep = keep;
    this.dir = mkdtempSync(join(tmpdir(), "sluice-"));
  }

  // start starts it, on the address that it had before.
  async start() {
    this.child = spawn(binary, ["serve"], {
      cwd: this.dir,
      env: { ADDR: this.url ? new URL(this.url).host : "127.0.0.1:0", ...this.env },
      stdio: ["ignore", "pipe", this.keep ? "pipe" : "inherit"],
    });
    let said = "";
    this.child.stdout.on("data", chunk => said += chunk);
    if (this.keep) for (const out of [this.child.stdout, this.child.stderr]) out.on("data", chunk => this.log += chunk);
    return this.url = await poll("the gateway", () => {
      assert.ok(this.runs, "the gateway did not come up");
      return /http:\/\/[^\s/]+(?=[\s/])/.exec(said)?.[0];
    }, 60_000);
  }

  // direct is the address of a gateway without a balancer.
  get direct() {
    return this.url;
  }

  // runs is true until it has ended.
  get runs() {
    return this.child && this.child.exitCode === null && this.child.signalCode === null;
  }

  async stop(signal) {
    if (!this.runs) return;
    this.child.kill(signal);
    await once(this.child, "exit");
  }

  async remove() {
    await this.stop("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// poll waits until f gives something.
export async function poll(what, f, ms = 10_000) {
  for (const end = Date.now() + ms; ; await sleep(10)) {
    const v = await f();
    if (v) return v;
    assert.ok(Date.now() < end, `${typeof what === "function" ? what() : what}: not within ${ms} ms`);
  }
}
