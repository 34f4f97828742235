// Up to 20 tabs open, close, hang, wake, are cut and get new credentials, at random, in both browsers.
// SEED, ROUNDS, STEPS, TABS and PATIENCE (ms) from the environment; BROWSER, SDK (a file) and ONLY (a list of operations) to look closer.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { names } from "./browsers.mjs";
import { Browser, ways } from "./tab-browsers.mjs";
import { Model } from "./tabs-model.mjs";

const { BROWSER, SDK, ONLY } = process.env;
const number = (name, preset) => Number(process.env[name] || preset);
const seed = number("SEED", Date.now() % 1_000_000), rounds = number("ROUNDS", 1);
const steps = number("STEPS", 15), most = number("TABS", 6), patience = number("PATIENCE", 15_000);

for (const name of BROWSER ? [BROWSER] : names) describe(`tabs in ${name}`, () => {
  let browser;
  before(async () => { browser = await Browser.launch(name); });
  after(() => browser?.close());

  // run gives a model to f, and then every tab has everything.
  async function run(t, seed, f) {
    const model = new Model({ browser, seed, most, patience, sdk: SDK, only: ONLY?.split(",") });
    try {
      await model.start();
      await f(model);
      await model.finish();
    } finally {
      await model.stop();
    }
    t.diagnostic(`${model.events.length} events, ${model.count} tabs, ${Date.now() - model.began} ms`);
    assert.deepEqual(model.found, [], `SEED=${seed} BROWSER=${name} TABS=${most} STEPS=${steps}\n${model.steps.join("\n")}\n`);
  }

  // In Firefox a tab with an alert still hears other tabs, and does nothing else: it must not pass for healthy.
  test("whoever leads may hang", { timeout: 120_000 }, t => run(t, 0, async model => {
    const hangs = ways(name).filter(way => way !== "busy").map((way, i) => [way, model.groups[i]]);
    for (const [, group] of hangs) {
      await model.open(group, "now");
      await model.hear(); // it leads
      for (let i = 0; i < 2; i++) await model.open(group, "now");
    }
    await model.hear();
    for (const [way, group] of hangs) await model.hang(model.tabs.find(t => t.group === group), way);
    await model.hear();
  }));

  for (let round = 0; round < rounds; round++) test(`seed ${seed + round}`, { timeout: steps * 20_000 + 120_000 }, t => run(t, seed + round, async model => {
    for (let i = 0; i < Math.min(3, most); i++) await model.open();
    for (let i = 0; i < steps; i++) await model.step();
  }));
});
