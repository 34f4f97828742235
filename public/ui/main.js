// The page: which view shows, what is connected, and the form that takes a credential.
import { $, act, el, message, reconcile, setText } from "./dom.js";
import { loadAccounts, startAccounts } from "./accounts.js";
import { auditChanged, drawAudit, reconnectAudit, startAudit } from "./audit.js";
import { loadBackups, startBackups } from "./backups.js";
import { drawClients, startClients } from "./clients.js";
import { drawData, startData } from "./data.js";
import { drawGateways, gatewaysOf, startGateways } from "./gateways.js";
import { loadKeys, startKeys } from "./keys.js";
import { drawLive, keyChanged, reconnect, startLive } from "./live.js";
import { drawMenu, startMenu } from "./menu.js";
import { adminChanged, drawOverview, reconnectStats, startOverview } from "./overview.js";
import { loadNodes, startNodes } from "./nodes.js";
import { drawPublish, startPublish } from "./publish.js";
import { loadRevocations, startRevocations } from "./revocations.js";
import { add, forget, fromAddress, hint, onSession, restore, session } from "./session.js";
import { loadTokens, startTokens } from "./tokens.js";
import { drawTry, startTry } from "./tryit.js";
import { loadUsers, startUsers } from "./users.js";

// views are the pages in the order of the menu: open is called when one comes to show, and key says that an API key or a token
// opens it too.
const views = [
  { group: "Live", id: "overview", title: "Overview", open: () => [drawOverview, drawGateways, drawClients].forEach(draw => draw()) },
  { group: "Live", id: "events", title: "Events", key: true, open: drawLive },
  { group: "Live", id: "stored", title: "Data", open: () => {} },
  { group: "Access", id: "keys", title: "Keys", open: loadKeys },
  { group: "Access", id: "tokens", title: "Tokens", key: true, open: loadTokens },
  { group: "Access", id: "revocations", title: "Revocations", open: loadRevocations },
  { group: "Access", id: "users", title: "Users", open: loadUsers },
  { group: "Access", id: "accounts", title: "Accounts", open: loadAccounts },
  { group: "Gateway", id: "nodes", title: "Gateways", open: loadNodes },
  { group: "Gateway", id: "backups", title: "Backups", open: loadBackups },
  { group: "Gateway", id: "audit", title: "Audit", open: drawAudit },
];
const viewOf = id => views.find(v => v.id === id);
const icon = document.querySelector("link[rel=icon]").href;
let adding = false, shown = "";

const allowed = id => Boolean(session.admin || session.key && viewOf(id)?.key) && id !== "intro";

// view is what the address asks for, as far as the credentials go.
function view() {
  const asked = location.hash.slice(1).split("/")[0];
  if (viewOf(asked) && allowed(asked)) return asked;
  return shown && allowed(shown) ? shown : views.find(v => allowed(v.id))?.id ?? "intro";
}

function draw() {
  const now = view();
  const started = now !== shown;
  shown = now;
  $("intro").hidden = now !== "intro";
  for (const { id } of views) $(id).hidden = id !== now;
  drawMenu(now, views, allowed);
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
  if (started) viewOf(now)?.open();
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
    if (document.activeElement === document.body || $("door").hidden) $("main").focus({ preventScroll: true });
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
  document.querySelector("link[rel=icon]").href = bad ? icon.replace("icon.svg", "icon-bad.svg") : icon;
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

startMenu(views);
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
startTokens();
startRevocations();
startUsers();
startAccounts();
startBackups();
startNodes();
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
addEventListener("hashchange", () => {
  if (takeAddress()) return;
  const before = shown;
  draw();
  // The browser takes the focus from a link to a part of the page, and scrolls there.
  if (location.hash === `#${shown}`) scrollTo(0, 0);
  if (shown === before) return;
  if (document.activeElement === document.body) $("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});

restore();
const given = fromAddress();
draw();
drawPublish();
keyChanged();
adminChanged();
auditChanged();
if (given) enter(given);
