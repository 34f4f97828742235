// Runs the tests with a cluster in place of one gateway: node run-cluster.mjs [--test-OPTION ...] [FILE ...]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "./process.mjs";
import { perGateway } from "./per-gateway.mjs";

// A test that was renamed would run with a cluster, and a list that is not true is worse than none.
const sources = readdirSync(import.meta.dirname).filter(name => name.endsWith(".test.mjs")).map(name => readFileSync(join(import.meta.dirname, name), "utf8")).join("");
for (const { name } of perGateway) if (!sources.includes(`test("${name}"`)) throw new Error(`per-gateway.mjs names a test that is not there: ${name}`);

const root = join(import.meta.dirname, ".."), dir = mkdtempSync(join(tmpdir(), "sluice-nats-"));

// configuration is that of deploy/cluster for one server, which does not wait for the disk: no test cuts the power.
function configuration() {
  const text = readFileSync(join(root, "deploy", "cluster", "nats-server.conf"), "utf8");
  const alone = text.replace(/\ncluster \{\n[^]*?\n\}\n/, "\n").replace("sync_interval: always", 'sync_interval: "2m"');
  if (alone.length > text.length - 500) throw new Error("deploy/cluster/nats-server.conf has no part cluster: change this function");
  return alone;
}

async function startNATS() {
  writeFileSync(join(dir, "nats.conf"), configuration());
  const server = spawn(join(root, "bin", "nats-server"), ["-c", join(dir, "nats.conf"), "--ports_file_dir", dir], {
    cwd: dir,
    env: {
      NATS_NAME: "e2e", NATS_LISTEN: "127.0.0.1:-1", NATS_MONITOR: "127.0.0.1:-1", NATS_STORE: join(dir, "store"),
      NATS_DISK: "1TB", // each test's cluster reserves what it may need, and takes little
      NATS_PASSWORD: "passwordoftests", NATS_ADMIN_PASSWORD: "passwordoftests",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  server.stderr.on("data", chunk => said = (said + chunk).slice(-10_000));
  const ports = await poll(() => `the NATS server: ${said}`, () => {
    const file = readdirSync(dir).find(name => name.endsWith(".ports"));
    return file && readFileSync(join(dir, file), "utf8").trim();
  }, 30_000);
  const { port } = new URL(JSON.parse(ports).nats[0]);
  return { server, url: `nats://sluice:passwordoftests@127.0.0.1:${port}` };
}

// literal is a regular expression that matches a text only.
const literal = text => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

const { server, url } = await startNATS();
let tests;
const end = () => (tests?.kill("SIGTERM"), server.kill("SIGTERM"));
process.on("SIGINT", end).on("SIGTERM", end);
try {
  // A test runs if its name matches, or that of a test around it. Around all is one with the name <root>.
  const args = process.argv.slice(2), others = ["<root>", ...perGateway.map(t => literal(t.name))];
  const skip = [`--test-name-pattern=^(?!(?:${others.join("|")})$)`];
  tests = spawn(process.execPath, ["--test", ...skip, ...args], { cwd: import.meta.dirname, env: { ...process.env, E2E_CLUSTER: url }, stdio: "inherit" });
  const [code] = await once(tests, "exit");
  process.exitCode = code ?? 1; // a signal has no code
} finally {
  if (server.exitCode === null && server.signalCode === null) {
    server.kill("SIGTERM");
    await once(server, "exit");
  }
  rmSync(dir, { recursive: true, force: true });
}
console.log(`\nNot run with a cluster, ${perGateway.length} tests:`);
for (const { name, reason } of perGateway) console.log(`  ${name}\n    ${reason}`);
