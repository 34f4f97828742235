// The SDK as a package: packed, installed into an empty project, and used there by Node, bundlers and TypeScript. By its
// address, Deno uses it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Gateway, poll } from "./gateway.mjs";
import { connections, key, settings } from "./sdk-tools.mjs";

const exec = promisify(execFile);
const here = join(import.meta.dirname, "node_modules"), sdk = join(import.meta.dirname, "..", "public", "sdk");
const project = mkdtempSync(join(tmpdir(), "sluice-package-"));
let gateway, base, packed;

// run is what a program prints; a program that fails or hangs fails the test, with all that it printed.
async function run(file, args, options) {
  try {
    return (await exec(file, args, { cwd: project, timeout: 60_000, ...options })).stdout;
  } catch (e) {
    assert.fail(`${file} ${args.join(" ")}: ${e.killed ? "no end in a minute" : e.code}\n${e.stdout}${e.stderr}`);
  }
}

const write = (name, text) => writeFileSync(join(project, name), text);

before(async () => {
  gateway = new Gateway(settings);
  base = await gateway.start();
  [packed] = JSON.parse(await run("npm", ["pack", "--json", "--pack-destination", project, sdk]));
  write("package.json", '{"private":true,"type":"module"}');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(project, packed.filename)]);
});

after(async () => {
  await gateway?.remove();
  rmSync(project, { recursive: true, force: true });
});

// session publishes and hears an event, reads it from the past, and closes. Nothing is left that holds the process.
const session = (source = '"sluice-client"') => `import { connect } from ${source};
const [, , url, apikey] = globalThis.process.argv;
const rt = connect(url, { apikey, channels: ["packed"] });
await new Promise(done => rt.on("connect", done));
const heard = new Promise(done => rt.on("packed", done));
const id = await rt.publish("packed", { n: 1 }, { stream: "packed" });
if ((await heard).id !== id) throw Error("another event");
for await (const e of rt.stream("packed", { from: id })) {
  if (e.id !== id) throw Error("another past");
  break;
}
rt.close();
console.log(JSON.stringify((await heard).data));
`;

// node is a program of this major version: the one that runs, or the binary that npm installed.
function node(major) {
  const file = process.versions.node.startsWith(major + ".") ? process.execPath : join(here, `node-${major}/bin/node`);
  assert.ok(existsSync(file), `no Node ${major}: run the tests with Node 20, on Linux`);
  return file;
}

test("the package has what its users need, and nothing else", () => {
  assert.deepEqual(packed.files.map(f => f.path).sort(), ["README.md", "package.json", "react.d.ts", "sluice.d.ts", ...readdirSync(join(sdk, "src")).map(f => `src/${f}`)].sort());
  assert.ok(packed.size < 24_000, `${packed.size} bytes`);
});

test("an error that nobody catches shows a line of source that a person can read", { timeout: 60_000 }, async () => {
  write("uncaught.mjs", `import { connect } from "sluice-client";
    await connect(process.argv[2], { apikey: "wrong" }).publish("packed");`);
  const { code, stderr } = await exec(node(20), ["uncaught.mjs", base], { cwd: project }).catch(e => e);
  assert.equal(code, 1);
  assert.match(stderr, /invalid_key/);
  assert.ok(stderr.split("\n").every(line => line.length < 250), stderr);
});

for (const major of [20, 22]) test(`Node ${major} imports it, publishes, hears, reads, and ends by itself`, { timeout: 90_000 }, async () => {
  write("session.mjs", session());
  assert.equal(await run(node(major), ["session.mjs", base, key]), '{"n":1}\n');
  await poll("no stream left", async () => await connections(base) === 0);
  write("publish.mjs", `import { connect } from "sluice-client";
    const id = await connect(process.argv[2], { apikey: process.argv[3] }).publish("packed");
    console.log(/^\\d+$/.test(id));`);
  assert.equal(await run(node(major), ["publish.mjs", base, key]), "true\n", "a process that only published ends without close()");
});

for (const major of [20, 22]) test(`require() takes it in Node ${major}`, { timeout: 60_000 }, async () => {
  write("required.cjs", 'const { connect } = require("sluice-client"); console.log(typeof connect)');
  assert.equal(await run(node(major), ["--no-warnings", "required.cjs"]), "function\n");
});

test("a script that ignores the client's answer is not held by it", { timeout: 60_000 }, async () => {
  write("refused.mjs", `import { connect } from "sluice-client";
    const rt = connect(process.argv[2], { apikey: "wrong" });
    rt.on("error", e => console.log(e.code, rt.state));`);
  assert.equal(await run(node(20), ["refused.mjs", base]), "invalid_key closed\n");
});

for (const platform of ["node", "browser", "neutral"]) test(`esbuild bundles it for ${platform}, and only what is used`, { timeout: 90_000 }, async () => {
  const esbuild = (entry, out, ...more) => run(join(here, "esbuild/bin/esbuild"), [entry, "--bundle", "--minify", "--format=esm", `--platform=${platform}`, `--outfile=${out}`, "--log-level=warning", ...more]);
  write("session.mjs", session());
  await esbuild("session.mjs", "bundled.mjs");
  assert.equal(await run(process.execPath, ["bundled.mjs", base, key]), '{"n":1}\n');
  write("unused.mjs", 'import "sluice-client"; import { connect } from "sluice-client"; console.log(1)');
  assert.equal(await esbuild("unused.mjs", "unused.out.mjs", "--log-override:ignored-bare-import=silent"), "");
  assert.ok(readFileSync(join(project, "unused.out.mjs")).length < 50, "the package has side effects");
});

// add puts packages of this folder into the project, under the names that they have there.
function add(packages) {
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  for (const [to, from] of Object.entries(packages)) {
    rmSync(join(project, "node_modules", to), { recursive: true, force: true });
    symlinkSync(join(here, from), join(project, "node_modules", to));
  }
}

// check runs tsc on a file of this folder in the project, with all checks, also of the declarations.
async function check(file, options) {
  write(file, readFileSync(join(import.meta.dirname, file), "utf8").replaceAll('"../public/sdk/sluice.js"', '"sluice-client"'));
  write("tsconfig.json", JSON.stringify({
    compilerOptions: { target: "es2022", strict: true, noUncheckedIndexedAccess: true, skipLibCheck: false, noEmit: true, verbatimModuleSyntax: true, ...options },
    files: [file],
  }));
  assert.equal(await run(process.execPath, [join(here, "typescript/bin/tsc"), "-p", "."]), "");
}

// With the DOM's types, with Node's alone, and with both.
for (const [module, moduleResolution, lib, types] of [
  ["esnext", "bundler", ["es2022", "dom"], []], ["node16", "node16", ["es2022"], ["node"]], ["nodenext", "nodenext", ["es2023", "dom"], ["node"]],
]) test(`strict TypeScript takes it: ${moduleResolution} with ${[...lib, ...types].join(", ")}`, { timeout: 90_000 }, async () => {
  add({ "@types/node": "@types/node", "undici-types": "undici-types" });
  await check("sdk-types.ts", { module, moduleResolution, lib, types, exactOptionalPropertyTypes: true });
});

test("TypeScript takes it with the settings that tsc --init writes", { timeout: 90_000 }, async () => {
  const tsc = join(here, "typescript/bin/tsc"), folder = mkdtempSync(join(project, "init-"));
  await run(process.execPath, [tsc, "--init"], { cwd: folder });
  writeFileSync(join(folder, "main.ts"), readFileSync(join(import.meta.dirname, "sdk-types.ts"), "utf8").replaceAll('"../public/sdk/sluice.js"', '"sluice-client"'));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  assert.equal(await run(process.execPath, [tsc, "--skipLibCheck", "false"], { cwd: folder }), "");
});

test("the program of docs/javascript.md passes tsc with the settings there, and runs", { timeout: 90_000 }, async () => {
  add({ "@types/node": "@types/node", "undici-types": "undici-types" });
  const folder = mkdtempSync(join(project, "docs-")), section = readFileSync(join(import.meta.dirname, "../docs/javascript.md"), "utf8").split("### TypeScript in Node")[1];
  const block = language => section.split("```" + language + "\n")[1].split("```")[0];
  writeFileSync(join(folder, "main.ts"), block("ts"));
  writeFileSync(join(folder, "tsconfig.json"), block("json"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  assert.equal(await run(process.execPath, [join(here, "typescript/bin/tsc"), "--exactOptionalPropertyTypes"], { cwd: folder }), "");
  assert.match(await run(process.execPath, ["main.js"], { cwd: folder, env: { ...process.env, SLUICE_URL: base, SLUICE_KEY: key } }), /new: order 17\n$/);
});

for (const version of [18, 19]) test(`Node and strict TypeScript take the hooks for React ${version}`, { timeout: 90_000 }, async () => {
  add({ "@types/react": `types-react-${version}`, react: version === 18 ? "react" : `react-${version}` });
  write("hooks.mjs", `import { version } from "react"; import { useChannel } from "sluice-client/react"; console.log(version, typeof useChannel);`);
  assert.match(await run(process.execPath, ["hooks.mjs"]), new RegExp(`^${version}\\..* function`));
  await check("sdk-react-types.tsx", { module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom"], types: [], jsx: "react-jsx" });
});

test("by its address, Deno checks its types and runs it", { timeout: 120_000 }, async () => {
  const address = JSON.stringify(base + "/sdk/sluice.js"), deno = join(here, "deno/deno");
  const env = { ...process.env, DENO_DIR: join(project, "deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  write("session.js", session(address));
  assert.equal(await run(deno, ["run", "--quiet", "--no-config", "--no-lock", "--allow-net", "--allow-import", "session.js", base, key], { env }), '{"n":1}\n');
  write("typed.ts", `import { connect, type Event } from ${address};
    export const rt = connect("https://host", { channels: ["boing"] });
    rt.on<number>("boing", (e: Event<number>) => e.data.toFixed());`);
  await run(deno, ["check", "--quiet", "--no-config", "--no-lock", "--allow-import", "typed.ts"], { env });
  write("wrong.ts", `import { connect } from ${address};
    connect("https://host", { apiKey: "k" });`);
  await assert.rejects(exec(deno, ["check", "--quiet", "--no-config", "--no-lock", "--allow-import", "wrong.ts"], { cwd: project, env }), { stderr: /TS2561|'apiKey' does not exist/ });
});
