import { coded, fault } from "./failure.js";
import { child, pause, race } from "./wait.js";

/** @import { Failure, Options } from "../sluice.js" */

const repeatFor = 100_000; // the gateway remembers an Idempotency-Key for two minutes
const unknown = /^(unreachable|timeout|not_a_gateway|internal|unknown_outcome)$/; // after these, the event may have been stored

/**
 * publisher publishes and retracts one event after another.
 * @param {import("./link.js").Link} link @param {Options} o @param {AbortController} closing
 * @returns {Pick<import("../sluice.js").Connection, "publish" | "retract">}
 */
export function publisher(link, o, closing) {
  let turn = /** @type {Promise<any>} */ (Promise.resolve()), waiting = 0;
  let failed = 0, failedAt = 0, resume = 0, trouble = /** @type {Failure?} */ (null); // one event that fails delays all that follow

  /**
   * change sends a request, whose body is an event, until the gateway has done it.
   * @param {string} method @param {string} query @param {import("../sluice.js").PublishOptions} options
   * @param {string} [event] @param {unknown} [data]
   */
  async function change(method, query, { idempotencyKey, timeout = o.timeout ?? 60_000, ...fields } = {}, event, data) {
    closing.signal.throwIfAborted();
    if (waiting >= (o.queue ?? 1000)) throw fault("queue_full", `${waiting} events wait`);
    const except = o.echo === false && !fields.space ? link.self : undefined;
    const body = query ? null : JSON.stringify({ event, except, ...fields, data });
    const headers = { "Idempotency-Key": idempotencyKey ?? crypto.getRandomValues(new Uint32Array(4)).join("-") };
    const cut = child(closing.signal, timeout, fault("timeout", `no success in ${timeout} ms`)), { signal } = cut;
    const at = Date.now();
    let until = at + timeout, error = /** @type {any} */ (null);
    const send = async () => {
      for (;;) {
        const late = resume > until;
        if (late && at <= failedAt) throw trouble;
        const wait = Math.max(late ? 0 : resume - Date.now(), link.doubtful ? 3000 : 0);
        if (wait > 0) await link.sleep(wait, signal);
        signal.throwIfAborted();
        const began = link.doubtful ? Infinity : Date.now(); // offline, the request cannot have reached the gateway
        const attempt = child(signal, 25_000, fault("timeout", "no answer in 25 s"));
        let why;
        try {
          const { id } = await link.call(query, { method, redirect: "manual", body, headers }, attempt.signal, true);
          failed = resume = 0;
          return id;
        } catch (e) {
          why = coded(e);
        } finally {
          attempt.abort();
        }
        if (why.final || signal.aborted) throw why;
        error = trouble = why;
        if (unknown.test(why.code)) until = Math.min(until, began + repeatFor);
        failedAt = Date.now();
        resume = failedAt + pause(++failed, 0, why.after);
      }
    };
    const sent = turn.then(send); // events are stored in the order of the calls
    turn = sent.catch(() => {});
    waiting++;
    try {
      return await race(signal, sent);
    } catch (e) {
      throw e === signal.reason && !closing.signal.aborted && error || e;
    } finally {
      cut.abort();
      waiting--;
    }
  }

  return {
    publish: (event, data, options) => change("POST", "", options, event, data),
    retract: (id, options) => change("DELETE", "?id=" + id, options),
  };
}
