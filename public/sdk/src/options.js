import { fault } from "./failure.js";

/** @import { Options } from "../sluice.js" */

const names = ["apikey", "token", "channels", "lastEventId", "shared", "pingTimeout", "queue", "timeout", "fetch"];

/** home checks the arguments of connect, and returns the gateway's address. @param {string} url @param {Options} o */
export function home(url, o) {
  for (const name of Object.keys(o)) {
    const near = names.find(n => n !== name && n.toLowerCase() === name.toLowerCase().replace(/[-_]/g, ""));
    if (near) throw fault("bad_option", `no option "${name}": did you mean "${near}"?`, TypeError);
  }
  try {
    for (const v of [o.apikey, o.token]) if (typeof v === "string") new Headers({ v });
  } catch {
    throw fault("bad_option", "the apikey or the token cannot be a header", TypeError);
  }
  try {
    const at = new URL(url || "/", globalThis.location?.href);
    if (/^(https?:\/\/|[/.]|$)/i.test(url) && at.protocol.startsWith("http")) return at.origin + at.pathname.replace(/\/+$/, "");
  } catch {}
  throw fault("bad_url", `"${url}" is no gateway's url: did you mean "http://${url.replace(/^(\w+:(?!\d))?\/*/, "")}"?`, TypeError);
}
