// Making a token that grants a part of what a key does, and the lines that use it.
import { $, act, el, message } from "./dom.js";
import { at, call, list } from "./api.js";
import { Channels } from "./channels.js";
import { copier, dots, publishLine, sample, snippet, watchLine } from "./curl.js";
import { when } from "./format.js";
import { blame, field, texts, watchGrant } from "./grants.js";
import { revoke } from "./revocations.js";
import { section } from "./section.js";
import { add, claimsOf, hint, onSession, session } from "./session.js";

const lives = [["1m", "a minute"], ["10m", "10 minutes"], ["1h", "an hour"], ["8h", "8 hours"], ["24h", "a day"]];
const own = ""; // the value that stands for the key in use

let parts, chosen = null, keys = [], channels, maker = null;
const key = el("select"), life = el("select", {}, ...lives.map(([value, text]) => el("option", { value, text, selected: value === "10m" })));
const rest = el("input", { placeholder: "GET:customer", autocomplete: "off", spellcheck: "false" });
const grants = el("div"), may = el("p", { class: "dim" }), answer = el("p", { class: "answer", role: "alert" }), made = el("div", { id: "token-made" });

// tokenOf opens the page for a key of the list.
export function tokenOf(of) {
  chosen = of;
  location.hash = "#tokens";
}

const granted = () => ({ ...channels.grant(), rest: texts(rest.value) });

// pick takes a key: the form begins with what it may read, which is what most pages need, and with its documents.
function pick(of) {
  channels = new Channels({ sub: of?.sub ?? [], pub: [] });
  rest.value = (of?.rest ?? []).join(", ");
  grants.replaceChildren(channels.element);
  may.textContent = of ? `What the key may do: subscribe to ${words(of.sub)}; publish to ${words(of.pub)}; documents: ${words(of.rest)}. Below are what it may subscribe to and its documents. Take out what the token does not need, and add what it may publish.`
    : "The token can grant what the key does, or less.";
  grants.dispatchEvent(new Event("change", { bubbles: true }));
}

const words = patterns => patterns?.length ? patterns.join(", ") : "nothing";

const selected = () => keys.find(k => k.id === key.value) ?? null;

// loadTokens reads the keys anew when the view is opened.
export async function loadTokens() {
  if (!parts.none) build();
  message(answer, "");
  const before = chosen?.id ?? key.value;
  keys = [];
  if (session.admin) {
    try {
      keys = (await list("/admin/keys", "?limit=1000", { credential: session.admin })).entries;
    } catch (e) {
      message(answer, `The keys cannot be read: ${e.message}`, true);
    }
  }
  const inUse = session.key?.kind === "key" ? hint(session.key.value) : "";
  const same = inUse && keys.length === 1; // the gateway does not say which entry the key in use is: a list of one leaves no other
  if (chosen && !keys.some(k => k.id === chosen.id)) keys.push(chosen); // there may be more than a thousand
  const options = keys.map(k => el("option", { value: k.id, text: `${k.name || k.id}${same ? ` (in use, ${inUse})` : ""}` }));
  if (inUse && !same) options.unshift(el("option", { value: own, text: `the key in use, ${inUse}` }));
  key.replaceChildren(...options);
  if (options.some(o => o.value === before)) key.value = before;
  $("token-form").hidden = !options.length;
  parts.none.hidden = Boolean(options.length);
  if (chosen || !channels.grant().sub.length) pick(selected());
  chosen = null;
}

async function make() {
  if (channels.fault()) return message(answer, channels.fault(), true);
  message(answer, "");
  const body = JSON.stringify({ ...granted(), ttl: life.value });
  const credential = key.value === own ? session.key : session.admin;
  try {
    const got = await call("POST", key.value === own ? "/realtime/token" : `/admin/keys/${encodeURIComponent(key.value)}/tokens`, { credential, body });
    maker = credential.value;
    show(got, granted());
  } catch (e) {
    message(answer, blame(e, (part, pattern) => part === "rest" ? rest : channels.fieldOf(part, pattern)), true);
  }
}

// names are those that the frames of some channels have, for as many as an example needs; "hello" stands for a custom event.
function names(patterns) {
  const all = new Set();
  for (const pattern of patterns) {
    const [left, collection] = pattern.split(":");
    if (left === "*") for (const name of ["post", "put", "delete", "hello"]) all.add(name);
    else if (collection !== undefined && /^(post|put|patch|delete)$/i.test(left)) all.add(left.toLowerCase().replace("patch", "put"));
    else all.add(left.replace("*", "1"));
  }
  return [...all].slice(0, 8);
}

// show shows a token with the lines that use it. The lines hide it, and are copied with it.
function show({ token, expires }, { sub, pub, rest: documents }) {
  const { jti } = claimsOf(token) ?? {};
  const credential = { kind: "token", value: token };
  const lines = [];
  const channel = sub.length === 1 ? sub[0] : "";
  if (sub.length) {
    const query = channel ? `channels=${encodeURIComponent(channel)}&` : "";
    lines.push(["Watch with curl", c => watchLine(c, channel)]);
    lines.push(["In a web page, with EventSource", c => `const events = new EventSource("${at("/realtime")}?${query}token=${c.value === dots ? dots : encodeURIComponent(c.value)}");
const show = e => console.log(e.type, JSON.parse(e.data).data);
for (const name of ${JSON.stringify(names(sub))}) events.addEventListener(name, show);`]);
    lines.push(["In a web page, with the SDK", c => `import { connect } from "${at("/sdk/sluice.js")}";
const rt = connect("${at("")}", { token: "${c.value}"${channel ? `, channels: [${JSON.stringify(channel)}]` : ""} });
rt.on(${JSON.stringify(channel || "*")}, e => console.log(e.event, e.data));`]);
  }
  if (pub.length) lines.push(["Publish with curl", c => publishLine(c, sample(pub))]);
  const document = documents.find(d => /^(GET|\*)(:|$)/.test(d));
  if (document) lines.push(["Read documents with curl", c => `curl -H 'Authorization: Bearer ${c.value}' ${at(`/rest/${(document.split(":")[1] ?? "customer").replace("*", "customer")}`)}`]);
  const input = el("input", { class: "mono", readonly: true, value: token, "aria-label": "The token", onfocus: () => input.select() });
  const said = el("p", { class: "answer", role: "status" });
  made.replaceChildren(el("div", { class: "card" },
    el("h3", { id: "token-title", tabindex: "-1", text: "The token" }),
    el("div", { class: "copyrow" }, input, copier(() => token, { name: "Copy the token", class: "primary" })),
    el("p", { class: "dim" }, "It ends ", when(new Date(expires), { up: true }), ". The page does not keep it."),
    ...lines.map(([title, line], n) => {
      const s = snippet(title, `token-lines-${n}`);
      s.set(line, credential);
      return s.element;
    }),
    sub.length ? el("p", { class: "dim", text: "EventSource sends the token in the address, which needs QUERY_CREDENTIALS=true (the default). It has to be given the name of each custom event." }) : "",
    said,
    el("div", { class: "actions" },
      el("button", { type: "button", text: "Use it in this page", onclick: e => use(token, e.target, said) }),
      session.admin && jti ? el("button", { type: "button", class: "danger", text: "Revoke it", onclick: () => end(jti, said) }) : "")));
  $("token-title").focus({ preventScroll: true });
  made.scrollIntoView({ block: "start" });
}

async function use(token, button, said) {
  try {
    await add(token);
    message(said, "The page uses this token now: see Events.");
    button.disabled = true;
    if (!button.isConnected) parts.title.focus(); // it has replaced the key that made it
  } catch (e) {
    message(said, e.message, true);
  }
}

async function end(jti, said) {
  try {
    if (!await revoke({ jti })) return;
    const title = el("h3", { tabindex: "-1", text: "The token" });
    made.replaceChildren(el("div", { class: "card" }, title, el("p", { class: "answer", role: "status", text: "Revoked." })));
    title.focus();
  } catch (e) {
    message(said, e.message, true);
  }
}

export function startTokens() {
  parts = section("tokens", "Make a token", {
    about: "A token lives for a short time and grants a part of what a key does, so that a web page needs no secret. It ends with its key.",
  });
  onSession(() => {
    if (![session.admin?.value, session.key?.value].includes(maker)) made.replaceChildren(); // whoever comes next did not make it
    if (!$("tokens").hidden) loadTokens();
  });
}

// build makes the form, when the page is opened for the first time.
function build() {
  parts.none = el("p", { class: "dim", text: "A token cannot make another one. Add an API key, or the admin key." });
  const form = el("form", { id: "token-form", class: "card keyform" },
    el("div", { class: "fields" }, field("Of the key", key), field("Lives for", life)),
    may, grants,
    field("Documents", rest, "methods and collections that the token may use at /rest and /items"),
    answer,
    el("div", { class: "actions" }, el("button", { class: "primary", text: "Make the token" })));
  parts.element.append(parts.none, form, made);
  pick(null);
  form.insertBefore(watchGrant(form, "token", granted), answer);
  key.addEventListener("change", () => pick(selected()));
  act(form, "submit", make);
}
