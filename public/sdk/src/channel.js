import { fault } from "./failure.js";

/** @import { Event } from "../sluice.js" */
/** @typedef {{ pattern: string, fn: (e: any) => void, match: (e: Event) => boolean }} Listener */

/** @type {(name: string) => string | undefined} */
const method = name => /^(post|put|delete)$/.exec(name.toLowerCase().replace(/^patch$/, "put"))?.[0];

/** @type {(want: string) => (name?: string) => boolean} */
const side = want => name => name !== undefined && (want.endsWith("*") ? name.startsWith(want.slice(0, -1)) : name === want);

/** @type {(pattern: string) => Listener["match"]} */
export function matcher(pattern) {
  const [left, right] = pattern.split(":"), verb = method(left);
  if (!/^[^$:][^:]*(:[^:]+)?$/.test(pattern) || verb && !right)
    throw fault("bad_channel", `no channel "${pattern}": METHOD:collection, name or name:collection`, TypeError);
  const name = side(left), collection = side(right);
  return e => {
    const is = method(e.event);
    return (left === "*" || (verb ? is === verb : !is && name(e.event))) && (right === undefined || collection(e.collection));
  };
}
