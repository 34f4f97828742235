// Three gateways that share a journal, behind a balancer that sends each request to another one. Tests use it as one gateway.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { Balancer } from "./balancer.mjs";
import { binary, poll, Process } from "./process.mjs";

export const size = 3;
const run = promisify(execFile);

export class Cluster {
  // Each cluster has a name, so a run needs one NATS server only: E2E_CLUSTER is its address.
  // settled is that of the balancer.
  constructor(env, { keep, settled } = {}) {
    this.passing = { trusting: Boolean(env.TRUSTED_PROXIES), settled };
    const name = "e2e-" + randomBytes(6).toString("hex");
    const shared = {
      TRUSTED_PROXIES: "127.0.0.1", CLUSTER_URL: process.env.E2E_CLUSTER, CLUSTER_NAME: name, CLUSTER_SECRET: randomBytes(32).toString("hex"), ...env,
      DATA_DIR: "data", // a log in memory cannot be in a cluster
    };
    this.nodes = Array.from({ length: size }, (_, i) => new Process({ ...shared, CLUSTER_NODE: `node-${i + 1}` }, { keep }));
    this.env = env;
  }

  turn = 0;
  get direct() { return this.nodes[this.turn++ % size].url; }
  get dir() { return this.nodes[0].dir; }
  get log() { return this.nodes.map(n => n.log).join(""); }

  // start starts all of them, and returns the address of the balancer.
  async start() {
    if (!this.url) await run(binary, ["cluster", "init", "--bytes", "64MiB"], { cwd: this.dir, env: this.nodes[0].env, timeout: 60_000 });
    await Promise.all(this.nodes.map(async node => {
      await node.start();
      await poll("a gateway to be ready", async () => (await fetch(node.url + "/readyz").catch(() => null))?.ok, 60_000);
    }));
    this.balancer ??= new Balancer(this.nodes.map(n => n.url), this.passing);
    return this.url = await this.balancer.start();
  }

  // stop stops all of them, as the end of one gateway ends all that its clients have.
  async stop(signal) {
    this.balancer?.refuse();
    await Promise.all(this.nodes.map(n => n.stop(signal)));
    this.balancer?.stop();
  }

  async remove() {
    await this.stop("SIGKILL");
    await Promise.all(this.nodes.map(n => n.remove()));
  }
}
