// One row of the live list: an event that opens to its JSON, or a notice of the stream itself.
import { el } from "./dom.js";
import { copier, publishLine } from "./curl.js";
import { idTime, when } from "./format.js";
import { member, pretty } from "./json.js";
import { session } from "./session.js";

const methods = new Set(["post", "put", "delete"]);
const preview = 300;

// eventRow is made of a frame of an event. What was published reaches the page as text only.
export function eventRow(frame) {
  const event = JSON.parse(frame.data);
  const method = methods.has(event.event);
  const channel = [method ? event.event.toUpperCase() : event.event, event.collection].filter(Boolean).join(":");
  const data = member(frame.data, "data");
  const at = idTime(frame.id);
  const summary = el("summary", {},
    el("span", { class: "line" },
      el("bdi", { class: `channel ${method ? event.event : "custom"}`, text: channel }),
      el("bdi", { class: "data", text: data.length > preview ? `${data.slice(0, preview)}…` : data }),
      event.stream ? el("bdi", { class: "chip", title: "stream", text: event.stream }) : "",
      when(at)));
  const details = el("details", {}, summary);
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(opened(frame, at)), { once: true });
  return el("li", { class: "event" }, details);
}

function opened(frame, at) {
  return el("div", { class: "opened" },
    el("pre", { tabindex: "0", role: "region", "aria-label": "The event as JSON" }, el("code", { text: pretty(frame.data) })),
    el("div", { class: "opened-foot" },
      el("span", { class: "dim", text: `id ${frame.id}, ${at.toISOString()}` }),
      session.admin ? el("a", { href: `#stored/event/${frame.id}`, text: "Its way" }) : "",
      copier(() => frame.data, { label: "Copy JSON" }),
      copier(() => publishLine(session.key, frame.data), { label: "Copy as curl" })));
}

// notice is a row about the stream: a gap, its end, a reconnection.
export function notice(kind, text, date = new Date()) {
  return el("li", { class: `notice ${kind}` }, el("span", { class: "line" }, el("span", { class: "data", text }), when(date)));
}

const reasons = {
  gap: {
    expired: "events after the last one seen are no longer stored; continues from the oldest stored event",
    lost: "events were lost in a crash of the gateway; continues with the events after its restart",
    unknown: "the requested position is not in this log; continues from now",
  },
  expired: {
    exp: "the credential has expired",
    revoked: "the key was revoked",
    changed: "the key's grant has changed; reconnects with the new grant",
  },
};

// noticeOf returns the notice for a frame that is not an event, or null if the frame has nothing new.
export function noticeOf({ type, data }) {
  const frame = JSON.parse(data).data ?? {};
  if (type === "gap") {
    const after = frame.after ? ` (after ${frame.after}${frame.oldest ? `, oldest stored ${frame.oldest}` : ""})` : "";
    return notice("gap", `Gap: ${reasons.gap[frame.reason] ?? frame.reason}${after}`);
  }
  if (type === "expired") return notice("expired", `Ended: ${reasons.expired[frame.reason] ?? frame.reason}`);
  if (type === "busy") return notice("busy", `Busy: ${frame.message ?? frame.status}`);
  if (type === "live") return notice("live", "Everything missed has arrived: the following events are live");
  return null;
}
