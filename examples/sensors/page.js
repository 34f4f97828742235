// 1,000 events a second arrive one by one, and are only stored. The page draws once for each picture of the screen.
import { Chart } from "./chart.js";

const $ = id => document.getElementById(id);
const charts = new Map(), last = new Map(); // by sensor: its chart, and the number of its last value
let total = 0, drawn = 0, missing = 0, pictures = 0, newest = 0, paused = false, live = false;

function show(text, look = "") {
  $("state").textContent = text;
  $("state").className = `state ${look}`;
}

function take({ collection: name, data: { n, at, value } }) {
  if (!charts.has(name)) charts.set(name, new Chart(name, $("charts")));
  const before = last.get(name);
  if (n > before + 1) missing += n - before - 1; // numbers that begin anew belong to a sensor that was restarted
  last.set(name, n);
  charts.get(name).add(value);
  total++;
  if (at > newest) newest = at;
}

function picture() {
  requestAnimationFrame(picture);
  if (paused || total === drawn) return; // nothing is new
  drawn = total;
  pictures++;
  const { color } = getComputedStyle($("charts")); // light or dark
  for (const chart of charts.values()) chart.draw(color);
}

// The figures change once a second: faster than that nobody can read them.
function figures() {
  let then = performance.now(), totalThen = 0, picturesThen = 0;
  setInterval(() => {
    const now = performance.now(), seconds = (now - then) / 1000;
    const write = (id, text) => $(id).textContent = text;
    if (live) write("rate", Math.round((total - totalThen) / seconds).toLocaleString("en"));
    if (live) write("lag", `${Math.max(0, Math.round(Date.now() - newest))} ms`);
    write("frames", Math.round((pictures - picturesThen) / seconds));
    write("total", total.toLocaleString("en"));
    write("missing", missing.toLocaleString("en"));
    live = total > 0;
    [then, totalThen, picturesThen] = [now, total, pictures];
  }, 1000);
}

async function follow() {
  const session = async () => {
    const r = await fetch("session", { cache: "no-store" });
    const answer = await r.json();
    if (!r.ok) throw Error(answer.message);
    return answer;
  };
  const { gateway } = await session();
  const { connect } = await import(`${gateway}/sdk/sluice.js`);
  const rt = connect(gateway, { token: async () => (await session()).token });
  rt.on("connect", () => show("Connected", "good"));
  rt.on("disconnect", () => show("No connection, trying again", "bad"));
  // The last ten seconds first, so that the charts are full at once.
  for await (const e of rt.stream(null, { from: "-10000" })) if (e.event === "reading") take(e);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
});
requestAnimationFrame(picture);
figures();
follow().catch(e => show(e.message, "bad"));
