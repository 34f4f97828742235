// The page: which view shows, what is connected, and the form that takes a credential.
import { $, act, el, message, reconcile, setText } from "./dom.js";
import { auditChanged, drawAudit, reconnectAudit, startAudit } from "./audit.js";
import { drawClients, startClients } from "./clients.js";
import { drawData, startData } from "./data.js";
import { drawGateways, gatewaysOf, startGateways } from "./gateways.js";
import { loadKeys, startKeys } from "./keys.js";
import { drawLive, keyChanged, reconnect, startLive } from "./live.js";
import { adminChanged, drawOverview, reconnectStats, startOverview } from "./overview.js";
import { drawPublish, startPublish } from "./publish.js";
import { add, forget, fromAddress, hint, onSession, restore, session } from "./session.js";
import { drawTry, startTry } from "./tryit.js";

const views = ["overview", "events", "stored", "keys", "audit"];
const icon = document.querySelector("link[rel=icon]").href;
let adding = false, shown = "";

const allowed = view => view === "events" ? session.key || session.admin : view !== "intro" && session.admin;

// view is what the address asks for, as far as the credentials go.
function view() {
  const [asked] = location.hash.slice(1).split("/"); // the rest is for the view
  if (views.includes(asked) && allowed(asked)) return asked;
  return shown && allowed(shown) ? shown : views.find(allowed) ?? "intro";
}

function draw() {
  const now = view();
  const started = now !== shown;
  shown = now;
  $("intro").hidden = now !== "intro";
  for (const v of views) {
    $(v).hidden = v !== now;
    const link = document.querySelector(`nav a[href="#${v}"]`);
    link.hidden = !allowed(v);
    if (v === now) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("nav").hidden = !session.admin;
  $("live").hidden = !(session.key || session.admin);
  $("publisher").hidden = !session.key;
  $("publish-hint").hidden = Boolean(session.key);
  const place = now === "intro" ? $("intro-door") : $("main");
  if ($("door").parentElement !== place) place.prepend($("door"));
  $("door").hidden = !(adding || now === "intro");
  $("add").hidden = !(session.key || session.admin) || !$("door").hidden && !adding;
  $("add").setAttribute("aria-expanded", String(adding));
  credentials();
  if (now === "stored") drawData();
  if (!started) return;
  if (now === "overview") {
    drawOverview();
    drawGateways();
    drawClients();
  } else if (now === "events") drawLive();
  else if (now === "keys") loadKeys();
  else if (now === "audit") drawAudit();
}

const kinds = { key: "API key", token: "Token", admin: "Admin key" };

function credentials() {
  const used = ["key", "admin"].filter(which => session[which]);
  $("credentials").hidden = !used.length;
  reconcile($("credentials"), used, which => which + session[which].kind + session[which].value.length + hint(session[which].value), which => {
    const { kind, value } = session[which];
    return el("li", { class: "chip" }, el("span", { text: `${kinds[kind]} ${hint(value)}` }),
      el("button", { type: "button", class: "cross", "aria-label": `Forget the ${kinds[kind]}`, title: "Forget it", text: "×", onclick: () => drop(which) }));
  });
}

function drop(which) {
  forget(which);
  ($("door").hidden ? $("main") : $("credential")).focus();
}

async function enter(value) {
  value = value.trim();
  if (!value) return message($("door-answer"), "Paste an API key, a token or the admin key.", true);
  message($("door-answer"), "Asking the gateway …");
  try {
    await add(value);
    $("credential").value = "";
    adding = false;
    message($("door-answer"), "");
    draw();
    drawTry();
    if (document.activeElement === document.body || $("door").hidden) $("main").focus();
  } catch (e) {
    if ($("door").hidden) { // another key of the same link was right
      adding = true;
      draw();
    }
    message($("door-answer"), e.message, true);
    $("credential").focus();
  }
}

// state shows how a stream does: its name in words, and why.
function state(id, again) {
  const pill = $(id);
  const [, word, why, button] = pill.children;
  act(button, "click", again);
  return s => {
    pill.hidden = s.name === "off";
    pill.dataset.state = s.name;
    setText(word, s.name === "waiting" ? "reconnecting" : s.name);
    setText(why, s.name === "refused" || s.name === "waiting" ? s.text : "");
    button.hidden = !(s.name === "waiting" && s.delay > 1500 || s.name === "refused");
    title();
  };
}

// title shows in a background tab that something is wrong.
function title() {
  const states = ["events-state", "stats-state", "audit-state"].map(id => $(id)).filter(p => !p.hidden).map(p => p.dataset.state);
  const bad = states.find(s => s === "refused") ?? states.find(s => s === "waiting");
  document.title = bad ? `${bad === "waiting" ? "Reconnecting" : "Refused"} – Sluice` : "Sluice";
  document.querySelector("link[rel=icon]").href = bad ? icon.replace("%230a7d55", "%23b3261e") : icon;
}

// warn is for what the statistics say needs somebody.
function warn(stats) {
  const said = [];
  if (stats.log.error) said.push(`The log has a fault: ${stats.log.error}`);
  if (stats.log.damaged) said.push(`Damaged parts of the log's files were found: ${stats.log.damaged}. Their contents are lost. The gateway's log has the details.`);
  if (stats.draining) said.push("The gateway is draining: it accepts no new streams, and will stop soon.");
  $("banner").hidden = !said.length;
  setText($("banner"), (said.length && stats.node ? `Gateway ${stats.node}: ` : "") + said.join(" "));
}

startTry();
startPublish();
startLive(state("events-state", reconnect));
startOverview(state("stats-state", reconnectStats), stats => {
  warn(stats);
  gatewaysOf(stats);
});
startGateways();
startClients();
startData();
startKeys();
startAudit(state("audit-state", reconnectAudit));

act($("door"), "submit", () => enter($("credential").value));
act($("add"), "click", () => {
  adding = !adding;
  draw();
  if (adding) $("credential").focus();
});
onSession(() => {
  draw();
  drawPublish();
  keyChanged();
  adminChanged();
  auditChanged();
});

function takeAddress() {
  const given = fromAddress();
  if (given) enter(given);
  return given !== null;
}
addEventListener("hashchange", () => takeAddress() || draw());

restore();
const given = fromAddress();
draw();
drawPublish();
keyChanged();
adminChanged();
auditChanged();
if (given) enter(given);
