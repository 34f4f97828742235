// An nginx in front of a gateway, as a child process.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "./gateway.mjs";

const program = process.env.NGINX ?? (existsSync("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx");

export class Nginx {
  // servers gives the configuration of an address to listen on.
  constructor(servers) {
    this.servers = servers;
    this.dir = mkdtempSync(join(tmpdir(), "sluice-nginx-"));
  }

  async start() {
    const port = await freePort(), dir = this.dir, temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(n => `${n}_temp_path ${dir}/${n};`).join(" ");
    writeFileSync(join(dir, "nginx.conf"), `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log warn;
events {}
http { access_log off; ${temporary} ${this.servers(`127.0.0.1:${port}`)} }`);
    this.child = spawn(program, ["-p", dir, "-e", join(dir, "error.log"), "-c", join(dir, "nginx.conf")], { stdio: "inherit" });
    await once(this.child, "spawn");
    await poll("nginx", () => {
      assert.equal(this.child.exitCode, null, this.child.exitCode === null || readFileSync(join(dir, "error.log"), "utf8"));
      return reachable(port);
    });
    return `http://127.0.0.1:${port}`;
  }

  async remove() {
    if (this.child?.exitCode === null) {
      this.child.kill("SIGTERM");
      await once(this.child, "exit");
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export const reachable = port => new Promise(resolve => {
  const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false)).on("close", () => {});
  socket.on("connect", () => socket.destroy());
});
