// Sensors that measure 1,000 values a second together, and send them in a few large requests.
import { setTimeout as sleep } from "node:timers/promises";
import { publish } from "../publish/publish.mjs";

const sensors = Array.from({ length: 20 }, (_, i) => ({ name: `sensor-${String(i + 1).padStart(2, "0")}`, level: 20 + 3 * i, speed: 0.2 + i / 15, noise: 0 }));
const every = 20; // milliseconds between two values of a sensor: 50 a second
const most = 20_000; // values that wait for the gateway: 20 seconds. After that the oldest go
const waiting = [];

// measure adds what was due since the last call.
function measure(start, n) {
  for (; start + n * every <= Date.now(); n++) {
    const at = start + n * every;
    for (const s of sensors) {
      s.noise = 0.95 * s.noise + Math.random() - 0.5;
      const value = s.level + 6 * Math.sin((at / 1000) * s.speed) + s.noise;
      waiting.push(JSON.stringify({ event: "reading", collection: s.name, data: { n, at, value: Number(value.toFixed(2)) } }));
    }
  }
  waiting.splice(0, Math.max(0, waiting.length - most));
  return n;
}

// send sends what waits, ten times a second. A request takes 1,000 events at most, so it catches up quickly after a pause.
async function send() {
  for (;;) {
    const lines = waiting.splice(0, 1000);
    try {
      if (lines.length) await publish(lines.join("\n"));
    } catch (e) {
      console.error(`${lines.length} values are lost: ${e.message}`);
    }
    if (waiting.length < 1000) await sleep(100);
  }
}

// run never ends.
export async function run() {
  const start = Date.now();
  let n = 0;
  setInterval(() => n = measure(start, n), 50);
  await send();
}
