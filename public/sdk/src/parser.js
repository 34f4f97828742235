import { forever } from "./wait.js";

/** @import { Event, Frame } from "../sluice.js" */

/** parser parses a stream by the HTML standard, section 9.2.6. @type {typeof import("../sluice.js").parser} */
export function parser(id = "") {
  const decoder = new TextDecoder(); // removes a BOM, and remembers half a character until the next chunk
  let rest = "", type = "", data = "", cr = false;

  const field = (/** @type {string} */ line) => {
    const [, name, value = ""] = /** @type {RegExpExecArray} */ (/^([^:]*)(?:: ?(.*))?$/s.exec(line));
    if (name === "data") data += value + "\n";
    else if (name === "event") type = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) parse.retry = Math.min(+value, forever);
  };

  const parse = /** @type {ReturnType<typeof import("../sluice.js").parser>} */ ({
    push(bytes) {
      /** @type {Frame[]} */
      const frames = [];
      let text = decoder.decode(bytes, { stream: true });
      if (!text) return frames;
      const lf = cr && text[0] === "\n"; // the second half of a CRLF whose CR ended the last chunk
      cr = text.endsWith("\r");
      if (lf) text = text.slice(1);
      rest += text;
      if (!/[\r\n]/.test(text)) return frames;
      const lines = rest.split(/\r\n|\r|\n/);
      rest = /** @type {string} */ (lines.pop());
      for (const line of lines) {
        if (line) {
          field(line);
          continue;
        }
        if (data) frames.push({ type: type || "message", data: data.slice(0, -1), id });
        type = data = "";
      }
      return frames;
    },
  });
  return parse;
}

/** @type {(frame: Frame) => Event} */
export function event({ type, data, id }) {
  try {
    return { ...JSON.parse(data), id };
  } catch {
    return { event: type, data, id };
  }
}

// control has the names of frames about the stream. No published event has such a name.
export const control = ["message", "ping", "gap", "live", "expired"];
