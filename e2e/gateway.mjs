// The built gateway as a child process, and how to wait for things.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const binary = join(import.meta.dirname, "..", "bin", "sluice");

export class Gateway {
  constructor(env) {
    this.env = { RETRY_CONNECT: "100ms", RETRY_EVENT: "100ms", DRAIN_TIMEOUT: "5s", ...env };
    this.dir = mkdtempSync(join(tmpdir(), "sluice-"));
  }

  // start starts it, on the address that it had before.
  async start() {
    this.child = spawn(binary, ["serve"], {
      cwd: this.dir,
      env: { ADDR: this.url ? new URL(this.url).host : "127.0.0.1:0", ...this.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const chunk of this.child.stdout) {
      const url = /http:\/\/\S+/.exec(chunk)?.[0];
      if (url) return this.url = url;
    }
    throw new Error("the gateway did not come up");
  }

  async stop(signal) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, "exit");
  }

  async remove() {
    if (this.child) await this.stop("SIGKILL");
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
