// The form that publishes an event, and its curl line.
import { $, act, message, setText } from "./dom.js";
import { call, once } from "./api.js";
import { publishLine, snippet } from "./curl.js";
import { fault } from "./json.js";
import { session } from "./session.js";

let request = once(), sent = ""; // names the publish of what is in the form, so that it can be sent again when its answer was lost

const line = snippet("The same with curl", "curl-publish");

// body keeps the data as it was typed: a parse would change large numbers.
export function body({ event, collection, stream, data }) {
  const head = { event };
  if (collection) head.collection = collection;
  const tail = stream ? `,"stream":${JSON.stringify(stream)}` : "";
  return `${JSON.stringify(head).slice(0, -1)},"data":${data.trim() || "null"}${tail}}`;
}

const typed = () => body({
  event: $("event").value.trim(), collection: $("collection").value.trim(), stream: $("stream").value.trim(), data: $("data").value,
});

export function drawPublish() {
  const wrong = fault($("data").value);
  $("data").setAttribute("aria-invalid", String(Boolean(wrong)));
  setText($("data-fault"), wrong);
  line.set(c => publishLine(c, wrong ? "…" : typed()), session.key);
}

async function send() {
  const answer = $("answer");
  if (fault($("data").value)) return $("data").focus();
  message(answer, "");
  const text = typed();
  if (text !== sent) request = once(); // another event
  sent = text;
  try {
    const { id } = await call("POST", "/realtime", { credential: session.key, headers: { "Idempotency-Key": request }, body: text });
    request = once();
    message(answer, `Stored as ${id}`);
  } catch (error) {
    const unknown = error.status ? "" : " The page does not know whether the event was stored. For two minutes it is safe to publish it again: the gateway stores it only once.";
    message(answer, `${error.message}${unknown}${error.code ? ` (${error.status} ${error.code})` : ""}`, true);
  }
}

export function startPublish() {
  act($("publish"), "submit", send);
  $("publish").addEventListener("input", drawPublish);
  $("data").addEventListener("keydown", e => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && !e.repeat) $("publish").requestSubmit();
  });
  $("publish").after(line.element);
  drawPublish();
}
