import { race } from "./wait.js";

/** @import { Failure } from "../sluice.js" */

/** @type {(code: string, message?: string, kind?: any) => Failure} */
export const fault = (code, message = code, kind = Error) => Object.assign(kind(message), { code });

/** @type {(r: Response, signal: AbortSignal) => Promise<any>} */
export const json = async (r, signal) => await race(signal, r.json()).catch(() => {}) ?? {};

/** failure makes an error of an answer. Only answers of the gateway have a message and a code that are texts. @param {Response} r @param {any} said */
export function failure(r, { message, code, last }, strict = false) {
  const { status } = r, ours = typeof code === "string" && typeof message === "string";
  const passes = /5..|408|429/.test(/** @type {any} */ (status));
  const why = ours ? fault(code, message)
    : /^[03]/.test(/** @type {any} */ (status)) ? fault("redirected", "it redirects")
    : fault("not_a_gateway", `the answer is ${status}: is it a gateway?`);
  return Object.assign(why, {
    status, last, final: (ours || strict) && !passes,
    after: Math.min(1000 * /** @type {any} */ (r.headers.get("Retry-After")) || 0, 60_000),
  });
}

/** @type {(r: Response, signal: AbortSignal) => Promise<Failure>} */
export const refusal = async (r, signal) => failure(r, await json(r, signal));

/** @type {(e: any) => Failure} */
export const coded = e => typeof e?.code === "string" ? e : fault("unreachable", `no answer: ${e?.message ?? e}`);
