// JSON as text: laid out and cut without a parse, which would change the digits of large numbers and
// drop keys that come twice. What comes in has passed JSON.parse or the gateway.

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// pretty indents.
export function pretty(raw) {
  let out = "", depth = 0, last = "";
  const line = () => "\n" + "  ".repeat(depth);
  for (const [t] of raw.matchAll(tokens)) {
    const closes = t === "}" || t === "]";
    if (closes) {
      depth--;
      if (last !== "{" && last !== "[") out += line();
    } else if (last === "{" || last === "[" || last === ",") out += line();
    out += t === ":" ? ": " : t;
    if (t === "{" || t === "[") depth++;
    last = t;
  }
  return out;
}

// member is an object's member as it was written, "" where there is none.
export function member(raw, name) {
  const want = JSON.stringify(name);
  let depth = 0, from = -1, last = "";
  for (const { 0: t, index } of raw.matchAll(tokens)) {
    if (t === "}" || t === "]") depth--;
    if (from >= 0 && (depth === 0 || depth === 1 && t === ",")) return raw.slice(from, index).trim();
    if (from < 0 && depth === 1 && t === ":" && last === want) from = index + 1;
    if (t === "{" || t === "[") depth++;
    last = t;
  }
  return "";
}

// parts are the elements of an array as they were written.
export function parts(raw) {
  const all = [];
  let depth = 0, from = -1;
  for (const { 0: t, index } of raw.matchAll(tokens)) {
    if (t === "}" || t === "]") depth--;
    if (from >= 0 && (depth === 0 || depth === 1 && t === ",")) {
      all.push(raw.slice(from, index).trim());
      from = -1;
    } else if (from < 0 && depth === 1 && t !== "," && t !== "]") from = index;
    if (t === "{" || t === "[") depth++;
  }
  return all;
}

// fault says what is wrong with a text as JSON, "" if nothing is.
export function fault(text) {
  if (!text.trim()) return "";
  try {
    JSON.parse(text);
    return "";
  } catch (e) {
    return `Not JSON: ${e.message}`;
  }
}
