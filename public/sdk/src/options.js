import { fault } from "./failure.js";

/** @import { Options } from "../sluice.js" */

/**
 * spell refuses another spelling of a known name, and, if all are known, any other name.
 * @param {object} o @param {string} known @param {boolean} [all]
 */
export function spell(o, known, all) {
  const names = known.split(",");
  for (const name in o) {
    const near = !names.includes(name) && (names.find(near => near.toLowerCase() === name.toLowerCase().replace(/[-_]/g, "")) || all && names);
    if (near) throw fault("bad_option", `no option "${name}": did you mean "${near}"?`, TypeError);
  }
}

/** home checks the arguments of connect, and returns the gateway's address. @param {string} url @param {Options} o */
export function home(url, o) {
  spell(o, "apikey,lastEventId,pingTimeout,token"); // which are easily spelled in another way
  for (const v of /** @type {any[]} */ ([o.apikey, o.token]))
    if (/[^ -~]/.test(v?.trim?.())) throw fault("bad_option", "malformed apikey or token", TypeError);
  try {
    const at = new URL(url || "/", globalThis.location?.href);
    if (/^(https?:\/\/|[/.]|$)/i.test(url) && /^http/.test(at.protocol)) return at.origin + at.pathname.replace(/\/+$/, "");
  } catch {}
  throw fault("bad_url", `no url "${url}": did you mean "http://${url.replace(/^(\w+:(?!\d))?\/*/, "")}"?`, TypeError);
}
