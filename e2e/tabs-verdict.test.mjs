// The verdict of the tabs' model sees each fault that it is there for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faults } from "./tabs-verdict.mjs";

// Twenty events, one every 200 ms from 1000 on; those with odd n are of another channel.
const events = Array.from({ length: 20 }, (_, n) => ({ n, channel: n % 2 ? "other" : "a", sent: 1000 + 200 * n, acked: 1001 + 200 * n }));
const entries = (...ns) => ns.map(n => ({ n, at: events[n].acked }));
const tab = (log, more) => ({ place: "now", channels: ["a"], opened: 1900, log, told: [["connect", 2000], ["live", 2000, "", log.length]], whole: true, ...more });
const gap = at => ({ gap: "unknown", at });

for (const [what, of, want] of [
  ["all, once and in order", tab(entries(6, 8, 10, 12, 14, 16, 18)), []],
  ["what was under way when it opened", tab(entries(4, 6, 8, 10, 12, 14, 16, 18), { opened: 1850 }), []],
  ["less, before the end", tab(entries(6, 8), { whole: false }), []],
  ["twice", tab(entries(6, 8, 8, 10, 12, 14, 16, 18)), ["goes back by 1 events to 8"]],
  ["out of order", tab(entries(6, 10, 8, 10, 12, 14, 16, 18)), ["1 events lost before 10, from 8 on", "goes back by 2 events to 8"]],
  ["lost in the middle", tab(entries(6, 12, 14, 16, 18)), ["2 events lost before 12, from 8 on"]],
  ["lost at the end", tab(entries(6, 8, 10)), ["4 events missing at the end, from 12 on"]],
  ["lost at the beginning", tab(entries(10, 12, 14, 16, 18)), ["begins with 10, though it was open at 6"]],
  ["nothing at all", tab([]), ["7 events missing at the end, from 6 on"]],
  ["from before it opened", tab(entries(2, 4, 6, 8, 10, 12, 14, 16, 18)), ["event 2 from 499 ms before it opened"]],
  ["another channel's", tab(entries(6, 7, 8, 10, 12, 14, 16, 18)), ["event 7 is not of its channels"]],
  ["never connected", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [] }), ["no connect told"]],
  ["a gap where nothing is gone", tab([...entries(6, 8), gap(2700), ...entries(12, 14, 16, 18)]), ["1 gaps told, though nothing is gone: unknown"]],
  ["twice, behind a gap", tab([gap(1950), ...entries(6, 8), gap(2700), ...entries(8, 10, 12, 14, 16, 18)], { place: "odd" }), ["goes back by 1 events to 8"]],
  ["resumed", tab(entries(4, 6, 8, 10, 12, 14, 16, 18), { place: "resume", after: 3 }), []],
  ["resumed behind a hole", tab(entries(6, 8, 10, 12, 14, 16, 18), { place: "resume", after: 3 }), ["1 events lost before 6, from 4 on"]],
  ["resumed too early", tab(entries(2, 4, 6, 8, 10, 12, 14, 16, 18), { place: "resume", after: 3 }), ["goes back by 1 events to 2"]],
  ["resumed and nothing else", tab([], { place: "resume", after: 18 }), []],
  ["odd and told", tab([gap(1950), ...entries(6, 8, 10, 12, 14, 16, 18)], { place: "odd" }), []],
  ["odd and not told", tab(entries(6, 8, 10, 12, 14, 16, 18), { place: "odd" }), ["no gap told, though the log never had its id"]],
  ["odd, told, and then nothing", tab([gap(1950)], { place: "odd" }), ["7 events missing at the end, from 6 on"]],
  ["live, twice", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["connect", 2000], ["live", 2000], ["live", 2001]] }), ["live told twice, or without a connect"]],
  ["live after a cut", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["connect", 2000], ["disconnect", 2000], ["live", 2001]] }), ["live told twice, or without a connect"]],
  ["never live", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["connect", 2000]] }), ["no live told behind the last connect"]],
  ["not live at the end, where it is cut", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["connect", 2000], ["reconnect", 2001]] }), []],
  ["live too early", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["reconnect", 3910, "", 4, 3910], ["connect", 4200], ["live", 4201, "", 4]] }), ["live told before 14, which was missed"]],
  ["live behind what was missed", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["reconnect", 3910, "", 4, 3910], ["connect", 4200], ["live", 4201, "", 5]] }), []],
  ["live that waited in a tab that hung", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["reconnect", 3910, "", 4, 3890], ["connect", 3911], ["live", 3912, "", 4]] }), []],
  ["live too early, in a tab that hung", tab(entries(6, 8, 10, 12, 14, 16, 18), { told: [["reconnect", 3910, "", 3, 3890], ["connect", 3911], ["live", 3912, "", 3]] }), ["live told before 12, which was missed"]],
  ["live before what it resumes from", tab(entries(4, 6, 8, 10, 12, 14, 16, 18), { place: "resume", after: 3, opened: 2000, told: [["connect", 2100], ["live", 2101, "", 0]] }), ["live told before 4, which was missed"]],
]) test(what, () => assert.deepEqual(faults(of, events), want));
