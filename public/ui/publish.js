// The form that publishes an event, and its curl line.
import { $, message, setText } from "./dom.js";
import { call } from "./api.js";
import { publishLine, snippet } from "./curl.js";
import { fault } from "./json.js";
import { session } from "./session.js";

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

async function send(e) {
  e.preventDefault();
  const answer = $("answer");
  if (fault($("data").value)) return $("data").focus();
  message(answer, "");
  $("send").setAttribute("aria-disabled", "true");
  try {
    const { id } = await call("POST", "/realtime", { credential: session.key, body: typed() });
    message(answer, `Stored as ${id}`);
  } catch (error) {
    message(answer, `${error.message}${error.code ? ` (${error.status} ${error.code})` : ""}`, true);
  } finally {
    $("send").removeAttribute("aria-disabled");
  }
}

export function startPublish() {
  $("publish").addEventListener("submit", send);
  $("publish").addEventListener("input", drawPublish);
  $("data").addEventListener("keydown", e => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) $("publish").requestSubmit();
  });
  $("publish").after(line.element);
  drawPublish();
}
