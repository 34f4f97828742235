// What a visitor without a credential can do: the lines to paste, filled in as the fields are.
import { at } from "./api.js";
import { $ } from "./dom.js";
import { dots, publishLine, snippet, watchLine } from "./curl.js";
import { fault } from "./json.js";
import { body } from "./publish.js";
import { claimsOf } from "./session.js";

const watch = snippet("In one terminal: watch", "try-watch");
const publish = snippet("In another: publish", "try-publish");
const page = snippet("In a web page", "try-page");

export function drawTry() {
  const value = $("credential").value.trim();
  const credential = value ? { kind: claimsOf(value) ? "token" : "key", value } : null;
  const event = $("try-event").value.trim() || "hello";
  const data = $("try-data").value;
  const wrong = fault(data);
  $("try-data").setAttribute("aria-invalid", String(Boolean(wrong)));
  watch.set(c => watchLine(c), credential);
  publish.set(c => publishLine(c, body({ event, data: wrong ? JSON.stringify(data) : data })), credential);
  const carrier = credential?.kind === "token" ? "token" : "apikey";
  const inQuery = c => !c ? "KEY" : c.value === dots ? dots : encodeURIComponent(c.value);
  page.set(c => `const events = new EventSource("${at("/realtime")}?${carrier}=${inQuery(c)}");
events.addEventListener(${JSON.stringify(event)}, e => console.log(JSON.parse(e.data).data));`, credential);
}

export function startTry() {
  $("try-lines").append(watch.element, publish.element, page.element);
  $("intro").addEventListener("input", drawTry);
  $("door").addEventListener("input", drawTry);
  drawTry();
}
