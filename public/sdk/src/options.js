import { fault } from "./failure.js";

/** @import { Options } from "../sluice.js" */

const names = ["apikey", "token", "lastEventId", "pingTimeout"]; // that are easily spelled in another way

/** home checks the arguments of connect, and returns the gateway's address. @param {string} url @param {Options} o */
export function home(url, o) {
  for (const name in o) for (const near of names)
    if (near !== name && near.toLowerCase() === name.toLowerCase().replace(/[-_]/g, "")) throw fault("bad_option", `no option "${name}": did you mean "${near}"?`, TypeError);
  for (const v of [o.apikey, o.token])
    if (typeof v === "string" && /[^ -~]/.test(v.trim())) throw fault("bad_option", "apikey or token is no header", TypeError);
  try {
    const at = new URL(url || "/", globalThis.location?.href);
    if (/^(https?:\/\/|[/.]|$)/i.test(url) && at.protocol.startsWith("http")) return at.origin + at.pathname.replace(/\/+$/, "");
  } catch {}
  throw fault("bad_url", `"${url}" is no gateway's url: did you mean "http://${url.replace(/^(\w+:(?!\d))?\/*/, "")}"?`, TypeError);
}
