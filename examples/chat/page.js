// A room is the channel chat-ROOM. A message is an event of it, whose collection is the name of who wrote it.
const $ = id => document.getElementById(id);
const room = new URLSearchParams(location.search).get("room") ?? "lobby";
const items = new Map(); // the messages on the page, by id

async function call(path, body) {
  const r = await fetch(path, body ? { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : { cache: "no-store" });
  const answer = await r.json();
  if (!r.ok) throw Object.assign(Error(answer.message), { status: r.status });
  return answer;
}

function show(text, look = "") {
  $("state").textContent = text;
  $("state").className = `state ${look}`;
}

function element(name, text, className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = className;
  return e;
}

// add shows a message at the end, and scrolls there unless the reader is somewhere above.
function add(name, data, mine) {
  const list = $("messages"), below = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const item = element("li", "", mine ? "mine" : "");
  const time = new Date(data.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  item.append(element("b", mine ? time : `${name}, ${time}`), element("span", data.text, "text"));
  list.append(item);
  if (below) list.scrollTop = list.scrollHeight;
  return item;
}

// token gets a new one, when the page begins and before one ends. Whoever is no longer signed in sees the form again.
async function token() {
  try {
    return (await call(`session?room=${room}`)).token;
  } catch (e) {
    if (e.status === 401) location.reload();
    throw e;
  }
}

async function enter() {
  const { name, gateway } = await call(`session?room=${room}`);
  const { connect } = await import(`${gateway}/sdk/sluice.js`);
  const rt = connect(gateway, { token });

  $("who").textContent = name;
  $("leave").hidden = $("room").hidden = false;
  show("Connecting");
  rt.on("connect", () => show("Connected", "good"));
  rt.on("disconnect", () => show("No connection, trying again", "bad"));

  $("form").addEventListener("submit", async e => {
    e.preventDefault();
    const data = { text: $("text").value, at: Date.now() };
    $("text").value = "";
    const waiting = add(name, data, true); // until the message comes back from the gateway
    waiting.classList.add("waiting");
    try {
      await rt.publish(`chat-${room}`, data, { collection: name });
      waiting.remove();
    } catch (e) {
      waiting.className = "mine failed";
      waiting.append(element("small", ` not sent: ${e.message}`));
    }
  });

  for await (const e of rt.stream(null, { from: "-100" })) {
    if (e.event === "retract") {
      items.get(e.data.id)?.remove();
      items.delete(e.data.id);
      continue;
    }
    const mine = e.collection === name, item = add(e.collection, e.data, mine);
    items.set(e.id, item);
    if (!mine) continue;
    const remove = element("button", "Delete", "plain");
    remove.addEventListener("click", () => rt.retract(e.id).catch(e => show(`Not deleted: ${e.message}`, "bad")));
    item.append(remove);
  }
}

function start() {
  enter().catch(e => {
    if (e.status === 401) $("login").hidden = false;
    else show(e.message, "bad");
  });
}

for (const name of new Set(["lobby", "help", "random", room])) {
  const link = element("a", `#${name}`);
  link.href = `?room=${name}`;
  if (name === room) link.setAttribute("aria-current", "page");
  document.querySelector("nav").append(link);
}
$("login").addEventListener("submit", async e => {
  e.preventDefault();
  try {
    await call("login", { name: $("name").value.trim() });
    $("login").hidden = true;
    show("");
    start();
  } catch (e) {
    show(e.message, "bad");
  }
});
$("leave").addEventListener("click", async () => {
  await call("logout", {});
  location.reload();
});
start();
