// The stream of events that the key may see, and its notices.
import { $, act, setText } from "./dom.js";
import { copier, watchLine } from "./curl.js";
import { clear, draw, put, startList, tellNothing } from "./eventlist.js";
import { notice, noticeOf } from "./row.js";
import { claimsOf, session } from "./session.js";
import { Follow } from "./stream.js";

const words = new Set(["gap", "expired", "busy", "live", "end", "init", "ping"]);

let follow = null, credential = null, onstate;
let broken = false, reached = false;

const channels = () => $("channels").value.split(",").map(s => s.trim()).filter(Boolean).join(",");

// address asks for frames by name, and for some history; Last-Event-ID replaces it on reconnection.
function address() {
  const query = new URLSearchParams();
  if (channels()) query.set("channels", channels());
  if ($("history").value) query.set("from", $("history").value);
  else if (credential.kind === "admin") query.set("from", "now"); // without it, the administrator gets all that is stored
  return `${credential.kind === "admin" ? "/admin/events" : "/realtime"}?${query}`;
}

function take(frame) {
  if (frame.type === "ping" || frame.type === "message") return;
  if (words.has(frame.type)) {
    if (frame.type === "live" && reached) return; // after a reconnection, which has a row of its own
    reached ||= frame.type === "live";
    const element = noticeOf(frame);
    if (element) put({ element });
    return;
  }
  put({ frame });
}

// state adds a notice to the list when the stream reconnects, once for each time that it breaks.
function state(s) {
  if (s.name === "waiting" && !broken) {
    broken = true;
    if (!s.announced) put({ element: notice("waiting", `Reconnecting: ${s.text}`) });
  } else if (s.name === "live" && broken) {
    broken = false;
    put({ element: notice("live", follow.frames.lastId ? `Connected again, continues after ${follow.frames.lastId}` : "Connected again") });
  } else if (s.name === "refused") {
    broken = false;
    put({ element: notice("refused", `Refused: ${s.text}`) });
  }
  tellNothing(empty[s.name]?.(s.text) ?? "");
  onstate(s);
}

// empty is what a list without events means: where none can be read, that is no sign that there are none.
const empty = {
  connecting: () => "Connecting …",
  live: () => "No event yet. Publish one, or wait.",
  waiting: text => `Events cannot be read now: ${text}. The page will try again.`,
  refused: text => `Events cannot be read: ${text}.`,
  ended: () => "The stream has ended.",
};

// sees says which channels the stream is about, as far as the page can know.
function sees() {
  const asked = channels();
  const claims = credential.kind === "token" ? claimsOf(credential.value) : null;
  const grant = claims && (Array.isArray(claims.realtime) ? claims.realtime : claims.realtime?.sub);
  let text = asked ? `Shows ${asked.replaceAll(",", ", ")}.` : credential.kind === "admin" ? "Shows every channel of /realtime, by the admin key." : "Shows every channel that this credential may see.";
  if (Array.isArray(grant)) text += ` The token names ${grant.join(", ") || "none"}.`;
  if (Number.isFinite(claims?.exp)) text += ` It expires ${new Date(claims.exp * 1000).toLocaleString()}.`;
  setText($("sees"), text);
}

// connect opens the stream anew, from the form's channels and history.
export function connect() {
  follow?.close();
  follow = null;
  broken = reached = false;
  credential = watching();
  if (!credential || credential.kind === "admin" && $("events").hidden) return onstate({ name: "off" }); // all events are many: they come once somebody looks
  sees();
  follow = new Follow(address(), { credential, onframe: take, onstate: state });
}

// watching is the credential that reads the events. The admin key needs no second one.
const watching = () => session.key ?? session.admin;

export function drawLive() {
  if (credential && !follow) connect();
  draw();
}

export const reconnect = () => follow?.again();

export function startLive(report) {
  onstate = report;
  act($("watch"), "submit", () => {
    clear();
    connect();
  });
  $("watch-tools").append(copier(() => watchLine(watching(), channels()), { label: "Copy as curl", name: "Copy as curl: this stream" }));
  addEventListener("online", reconnect);
  startList();
}

// keyChanged connects where the key is another one.
export function keyChanged() {
  if (watching()?.value === credential?.value && follow) return;
  clear();
  connect();
}
