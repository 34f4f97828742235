// The inbox of a user is the channel inbox-NAME. What is read is in the log too, in read-NAME, so that all tabs and devices agree.
const $ = id => document.getElementById(id);
const items = new Map(); // the notifications on the page, by id

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

function count() {
  const n = document.querySelectorAll("#list .unread").length;
  $("count").textContent = n;
  $("count").hidden = !n;
  $("all").disabled = !n;
  document.title = n ? `(${n}) Notifications` : "Notifications";
}

function add(e, markAsRead) {
  const item = element("li", "", "unread"), read = element("button", "Read", "plain");
  read.addEventListener("click", markAsRead);
  const words = element("div", ""), time = new Date(e.data.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  words.append(element("span", e.data.text, "text"), element("small", `${e.data.from}, ${time}`));
  item.append(words, read);
  $("list").prepend(item);
  items.set(e.id, item);
  if (items.size > 500) {
    const [oldest, old] = items.entries().next().value;
    items.delete(oldest);
    old.remove();
  }
}

// token gets a new one, when the page begins and before one ends. Whoever is no longer signed in sees the form again.
async function token() {
  try {
    return (await call("session")).token;
  } catch (e) {
    if (e.status === 401) location.reload();
    throw e;
  }
}

async function enter() {
  const { name, gateway } = await call("session");
  const { connect } = await import(`${gateway}/sdk/sluice.js`);
  const rt = connect(gateway, { token });
  $("who").textContent = name;
  $("leave").hidden = $("inbox").hidden = false;
  count();
  show("Connecting");
  rt.on("connect", () => show("Connected", "good"));
  rt.on("disconnect", () => show("No connection, trying again", "bad"));
  rt.on("error", e => show(e.message, "bad"));

  const read = what => rt.publish(`read-${name}`, what).catch(e => show(`Not marked: ${e.message}`, "bad"));
  $("all").addEventListener("click", () => read({ upTo: [...items.keys()].at(-1) }));

  for await (const e of rt.stream(null, { from: "-500" })) {
    if (e.event === `inbox-${name}`) add(e, () => read({ id: e.id }));
    if (e.event === `read-${name}`) {
      for (const [id, item] of items) if (id === e.data.id || Number(id) <= Number(e.data.upTo)) item.classList.remove("unread");
    }
    count();
  }
}

function start() {
  enter().catch(e => {
    if (e.status === 401) $("login").hidden = false;
    else show(e.message, "bad");
  });
}

$("login").addEventListener("submit", async e => {
  e.preventDefault();
  try {
    await call("login", { name: $("name").value, password: $("password").value });
    $("login").hidden = true;
    show("");
    start();
  } catch (e) {
    show(e.message, "bad");
  }
});
$("send").addEventListener("submit", async e => {
  e.preventDefault();
  try {
    await call("notify", { to: $("to").value, text: $("text").value });
    $("text").value = "";
  } catch (e) {
    show(e.message, "bad");
  }
});
$("leave").addEventListener("click", async () => {
  await call("logout", {});
  location.reload();
});
start();
