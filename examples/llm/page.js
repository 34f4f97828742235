// Shows one answer: everything that the stream has of it, from its first entry on.
const $ = id => document.getElementById(id);
const id = new URLSearchParams(location.search).get("answer");

async function call(path, body) {
  const r = await fetch(path, body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const answer = await r.json();
  if (!r.ok) throw Error(answer.message);
  return answer;
}

// show has the words for each state, with the buttons that it leaves.
const states = {
  writing: ["The model is writing", "good", "stop"],
  silent: ["Nothing came for a while", "", "stop", "resume"],
  offline: ["No connection, trying again", "bad"],
  stopped: ["Stopped", "", "resume"],
  failed: ["The model failed", "bad", "resume"],
  done: ["Complete", "good"],
};
let state = "";
function show(name, text) {
  state = name;
  const [words, look, ...buttons] = states[name] ?? [text, "bad"];
  $("state").textContent = words;
  $("state").className = `state ${look}`;
  $("text").classList.toggle("writing", name === "writing");
  for (const b of ["stop", "resume"]) $(b).hidden = !buttons.includes(b);
}

async function follow() {
  $("answer").hidden = false;
  const { gateway } = await call(`token?id=${id}`);
  const { connect } = await import(`${gateway}/sdk/sluice.js`);
  const rt = connect(gateway, { token: async () => (await call(`token?id=${id}`)).token }); // asks again before one ends
  let before = "writing";
  rt.on("disconnect", () => {
    if (state !== "offline") before = state;
    show("offline");
  });
  rt.on("connect", () => state === "offline" && show(before));
  rt.on("gap", () => $("text").prepend("[the beginning is no longer in the log] "));

  let timer;
  for await (const e of rt.stream(`answer-${id}`, { from: "earliest" })) {
    clearTimeout(timer);
    if (e.event === "question") $("question").textContent = e.data;
    if (e.event === "text") $("text").append(e.data);
    const now = before = ["question", "text", "resumed"].includes(e.event) ? "writing" : e.event;
    show(now);
    if (now === "done") break;
    if (now === "writing") timer = setTimeout(() => state === "writing" && show("silent"), 10_000);
  }
  rt.close();
}

$("form").addEventListener("submit", async e => {
  e.preventDefault();
  try {
    const { id } = await call("ask", { question: $("ask").value });
    location.search = `?answer=${id}`;
  } catch (e) {
    $("answer").hidden = false;
    show("", e.message);
  }
});
for (const b of ["stop", "resume"]) $(b).addEventListener("click", () => call(b, { id }).catch(e => show("", e.message)));
if (id) follow().catch(e => show("", e.message));
