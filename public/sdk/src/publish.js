import { coded, failure, fault, json } from "./failure.js";
import { child, pause, race } from "./wait.js";

/** @import { Failure, Options } from "../sluice.js" */

const repeatFor = 100_000; // the gateway remembers an Idempotency-Key for two minutes
const unknown = /^(unreachable|timeout|not_a_gateway|internal|unknown_outcome)$/; // after these, the event may have been stored

/**
 * publisher publishes one event after another.
 * @param {import("./link.js").Link} link @param {Options} o @param {AbortController} closing
 * @returns {import("../sluice.js").Connection["publish"]}
 */
export function publisher(link, o, closing) {
  let turn = /** @type {Promise<any>} */ (Promise.resolve()), waiting = 0;
  let failed = 0, failedAt = 0, resume = 0, trouble = /** @type {Failure?} */ (null); // one event that fails delays all that follow

  /** @param {{ body: string, key: string, at: number, until: number, signal: AbortSignal, error?: Failure }} item */
  async function send(item) {
    const { body, key, signal } = item;
    for (let until = item.until; ;) {
      const late = resume > until;
      if (late && item.at <= failedAt) throw trouble;
      const wait = Math.max(late ? 0 : resume - Date.now(), link.doubtful ? 3000 : 0);
      if (wait > 0) await link.sleep(wait, signal);
      signal.throwIfAborted();
      const began = link.doubtful ? Infinity : Date.now(); // offline, the request cannot have reached the gateway
      const attempt = child(signal, 25_000, fault("timeout", "no answer within 25 s"));
      let error;
      try {
        const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
        const r = await link.request("", { method: "POST", redirect: "manual", body, headers }, attempt.signal);
        const said = await json(r, attempt.signal);
        if (r.ok && said.id) {
          failed = resume = 0;
          return said.id;
        }
        error = failure(r, said, true);
      } catch (e) {
        error = coded(e);
      } finally {
        attempt.abort();
      }
      if (error.final || signal.aborted) throw error;
      item.error = trouble = error;
      if (unknown.test(error.code)) until = Math.min(until, began + repeatFor);
      failedAt = Date.now();
      resume = failedAt + pause(++failed, 0, error.after);
    }
  }

  return async function publish(name, data, { idempotencyKey, timeout = o.timeout ?? 60_000, ...fields } = {}) {
    const most = o.queue ?? 1000;
    closing.signal.throwIfAborted();
    if (waiting >= most) throw fault("queue_full", `${most} events wait already`);
    const body = JSON.stringify({ event: name, ...fields, data });
    const key = idempotencyKey ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    const cut = child(closing.signal, timeout, fault("timeout", `no success within ${timeout} ms`)), { signal } = cut;
    const item = { body, key, at: Date.now(), until: Date.now() + timeout, signal, error: undefined };
    const sent = turn.then(() => send(item)); // events are stored in the order of the calls
    turn = sent.catch(() => {});
    waiting++;
    try {
      return await race(signal, sent);
    } catch (e) {
      throw e === signal.reason && !closing.signal.aborted && item.error || e;
    } finally {
      cut.abort();
      waiting--;
    }
  };
}
