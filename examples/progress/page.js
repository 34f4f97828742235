// Shows one job. Only its newest entry matters, so the page reads the stream from there: from=-1.
const $ = id => document.getElementById(id);
const id = new URLSearchParams(location.search).get("job");
const number = n => n.toLocaleString("en");
let state = "", before, running = false;

async function call(path, body) {
  const r = await fetch(path, body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await r.json();
  if (!r.ok) throw Error(answer.message);
  return answer;
}

function show(text, look = "") {
  state = text;
  $("job").hidden = false;
  $("state").textContent = text;
  $("state").className = `state ${look}`;
  $("cancel").hidden = !running;
}

// progress shows how far the job is, and how long the rest takes at the speed since the page was opened.
function progress({ tested = 0, limit }) {
  const now = Date.now(), done = tested / limit;
  before ??= { now, done };
  const seconds = (now - before.now) / (done - before.done) * (1 - done) / 1000;
  $("bar").value = done;
  $("percent").textContent = `${Math.floor(done * 100)} %`;
  $("left").textContent = now - before.now > 1000 && Number.isFinite(seconds) ? `about ${Math.max(1, Math.round(seconds))} s left` : "";
}

const entries = {
  accepted(data) {
    running = true;
    progress(data);
    show("Waiting for its turn");
  },
  progress(data) {
    running = true;
    progress(data);
    show(`${number(data.found)} prime numbers so far`, "good");
  },
  result({ limit, found, largest }) {
    running = false;
    progress({ tested: limit, limit });
    $("left").textContent = "";
    $("result").hidden = false;
    $("result").textContent = `${number(found)} prime numbers up to ${number(limit)}. The largest is ${number(largest)}.`;
    show("Done", "good");
  },
  failed(data) {
    running = false;
    show(data, "bad");
  },
  cancelled() {
    running = false;
    show("Cancelled");
  },
};

async function follow() {
  const { gateway } = await call(`token?id=${id}`);
  const { connect } = await import(`${gateway}/sdk/sluice.js`);
  const rt = connect(gateway, { token: async () => (await call(`token?id=${id}`)).token }); // asks again before one ends
  let last;
  rt.on("disconnect", () => show("No connection, trying again", "bad"));
  rt.on("connect", () => last && state.startsWith("No connection") && entries[last.event](last.data));
  for await (const e of rt.stream(`job-${id}`, { from: "-1" })) {
    if (!entries[e.event]) continue;
    last = e;
    entries[e.event](e.data);
    if (!running) break; // nothing follows
  }
  rt.close();
}

$("form").addEventListener("submit", async e => {
  e.preventDefault();
  try {
    const { id } = await call("start", { limit: Number($("limit").value) });
    location.search = `?job=${id}`;
  } catch (e) {
    show(e.message, "bad");
  }
});
$("cancel").addEventListener("click", () => call("cancel", { id }).catch(e => show(e.message, "bad")));
if (id) follow().catch(e => show(e.message, "bad"));
