import { coded, failure, fault, json, refusal } from "./failure.js";
import { control, event, parser } from "./parser.js";
import { child, forever, onAbort, pause, race } from "./wait.js";

/** @import { Failure, Options, State } from "../sluice.js" */
/** @typedef {{ id: string }} Place */
/** @typedef {(to: State, detail?: any) => void} Report */
/** @typedef {ReturnType<typeof link>} Link */

const silence = 37_500; // 2.5 times the gateway's PING_INTERVAL
const bearer = /^[\w.~+/-]{1,8192}=*$/; // RFC 6750 section 2.1; the gateway accepts up to 8 KiB
const renewed = fault("renewed");
const longest = 2000; // characters of a query: some servers and proxies take no more than 2,048

/** @param {string} token */
function claims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {}
}

/** identity returns the claims that a renewed token has in common with the one before. @type {(token: string) => string} */
export function identity(token) {
  const { exp, iat, nbf, jti, ...rest } = claims(token) ?? { token };
  return JSON.stringify(rest);
}

/** @type {(fields: Record<string, any>) => string} */
function search(fields) {
  const q = new URLSearchParams();
  for (const name in fields) if (fields[name] != null) q.set(name, fields[name].toISOString?.() ?? fields[name]);
  return "?" + q;
}

/**
 * link has all that connects to a gateway: tokens, requests, and streams that reconnect and resume.
 * @param {string} address @param {Options} o @param {AbortController} closing
 */
export function link(address, o, closing) {
  const sleepers = new Set(), streams = new Set();
  let doubtful = globalThis.navigator?.onLine === false; // probably offline; an answer proves the opposite

  /** rouse starts the next attempts now, and ends streams that have been silent for too long. */
  const rouse = () => {
    sleepers.forEach(s => s.abort());
    streams.forEach(s => s.look());
  };
  const listen = (/** @type {string} */ name, /** @type {() => void} */ fn) => globalThis.addEventListener?.(name, fn, closing);
  listen("online", () => {
    doubtful = false;
    rouse();
  });
  listen("offline", () => {
    doubtful = true;
    streams.forEach(s => s.cut.abort(fault("offline")));
  });
  listen("pageshow", rouse);
  globalThis.document?.addEventListener("visibilitychange", rouse, closing);

  /** @type {(ms: number, signal: AbortSignal) => Promise<void>} */
  const sleep = (ms, signal) => new Promise(done => {
    const cut = child(signal, ms);
    sleepers.add(cut);
    onAbort(cut.signal, () => {
      sleepers.delete(cut);
      done();
    });
  });

  /** rest waits for the next attempt, and reports why. @type {(why: Failure, ms: number, report: Report, signal: AbortSignal) => Promise<void>} */
  const rest = ({ message: reason, code, status }, ms, report, signal) => {
    const delay = Math.round(Math.max(ms, doubtful ? 3000 : 0));
    report(doubtful ? "offline" : "waiting", { reason, code, status, delay });
    return sleep(delay, signal);
  };

  const dynamic = typeof o.token === "function"; // else it cannot be renewed
  let known = "", asking = /** @type {Promise<string>?} */ (null);
  let refused = 0, askedAt = 0; // refused: how many tokens failed in a row

  /** obtain calls the token function. After two failures in a row, it waits first. */
  async function obtain() {
    if (refused > 1) await sleep(askedAt + pause(refused - 1) - Date.now(), closing.signal);
    closing.signal.throwIfAborted();
    refused++;
    askedAt = Date.now();
    const limit = child(closing.signal, 10_000, "none in 10 s");
    try {
      const token = /** @type {() => any} */ (o.token);
      const text = String(await race(limit.signal, Promise.resolve().then(token)) ?? "").trim();
      if (text && !bearer.test(text)) throw "malformed";
      return known = text;
    } catch (e) {
      throw fault("token_failed", "no token: " + (/** @type {any} */ (e)?.message ?? e));
    } finally {
      limit.abort();
    }
  }

  /** @param {AbortSignal} signal */
  const fresh = signal => race(signal, asking ??= obtain().finally(() => asking = null));

  /** @param {AbortSignal} signal @returns {Promise<string>} */
  const token = async signal => !dynamic ? /** @type {any} */ (o.token) : known || fresh(signal);

  /** request sends a request, and after a 401 once more with a new token. @param {string} query @param {RequestInit} init @param {AbortSignal} signal */
  async function request(query, init, signal) {
    for (let again = !dynamic; ; again = true) {
      const jwt = await token(signal);
      const headers = { ...init.headers, ...(init.body && { "Content-Type": "application/json" }), ...(o.apikey && { "x-apikey": o.apikey }), ...(jwt && { Authorization: "Bearer " + jwt }) };
      const r = await race(signal, (o.fetch ?? fetch)(address + query, { ...init, headers, signal, cache: "no-store", credentials: o.credentials }));
      doubtful = false;
      if (r.status !== 401) {
        refused = 0;
        return r;
      }
      if (jwt === known) known = "";
      if (again) {
        const why = await refusal(r, signal);
        if (!jwt && !o.apikey && o.token !== undefined) Object.assign(why, { final: true, code: "token_empty", message: "the token is empty: " + why.message });
        throw why;
      }
      r.body?.cancel().catch(() => {});
    }
  }

  /** call returns what the gateway says of something that it has done. @param {string} query @param {RequestInit} init @param {AbortSignal} signal @param {boolean} [strict] */
  async function call(query, init, signal, strict) {
    const r = await request(query, init, signal), said = await json(r, signal);
    if (r.ok && (said.id ?? said.name)) return said;
    throw failure(r, said, strict);
  }

  /**
   * find returns the query of a stream. If the channels are too many for an address, it first asks for their name, each time: the
   * same list has the same name, also after that has ended. @param {Record<string, any>} query @param {AbortSignal} signal
   */
  async function find(query, signal) {
    const { channels } = query, q = search(query);
    if (q.length < longest && !channels?.[100] && !/\B@/.test(channels)) return q;
    const { name } = await call("/subscriptions", { method: "POST", body: JSON.stringify({ channels }) }, signal);
    return search({ ...query, channels: "@" + name });
  }

  /**
   * open yields the frames of one connection, a list for each chunk, and throws the error that ended it.
   * @param {Record<string, any>} query @param {Place} place @param {{ retry: number, patience: number }} pace @param {AbortController} cut
   */
  async function* open(query, place, pace, cut) {
    const { signal } = cut;
    let receivedAt = Date.now(), timer = 0, renewal = 0;
    const look = () => {
      const patience = o.pingTimeout ?? pace.patience, left = receivedAt + patience - Date.now();
      clearTimeout(timer);
      if (left > 0) return timer = /** @type {any} */ (setTimeout)(look, Math.min(left, patience));
      pace.patience = Math.min(2 * pace.patience, 300_000); // perhaps the gateway sends pings less often
      cut.abort(fault("silent"));
    };
    const stream = { cut, look };
    streams.add(stream);
    try {
      look();
      const headers = { Accept: "text/event-stream", ...(place.id && { "Last-Event-ID": place.id }) };
      const r = await request(await find(query, signal), { headers }, signal), jwt = known;
      if (r.status === 204 && ("stream" in query || query.until)) return;
      if (!r.ok || !r.body || !r.headers.get("Content-Type")?.startsWith("text/event-stream")) throw await refusal(r, signal);
      const renew = () => {
        const left = 1000 * claims(jwt)?.exp - Date.now();
        if (left > 3000) renewal = /** @type {any} */ (setTimeout)(async () => {
          if (known === jwt) await fresh(signal).catch(() => {});
          if (signal.aborted) return;
          if (known && known !== jwt) cut.abort(renewed);
          else renew();
        }, Math.min(left - Math.min(left / 4, 60_000) * (0.5 + Math.random() / 2), forever));
      };
      renew();
      const body = r.body.getReader(), parse = parser(place.id);
      onAbort(signal, () => body.cancel().catch(() => {}));
      for (;;) {
        receivedAt = Date.now();
        const { done, value } = await body.read();
        receivedAt = Infinity; // from here on, the caller may take time, which is not the gateway's silence
        signal.throwIfAborted();
        if (done) throw fault("ended");
        const frames = parse.push(value);
        pace.retry = parse.retry ?? pace.retry;
        yield frames;
      }
    } finally {
      clearTimeout(timer);
      clearTimeout(renewal);
      streams.delete(stream);
      cut.abort();
    }
  }

  /**
   * follow yields frames, and reconnects and resumes. The id of a frame counts when the caller asks for the next one.
   * @param {Record<string, any>} query @param {Place} place @param {Report} report @param {AbortSignal} signal
   */
  async function* follow(query, place, report, signal) {
    const pace = { retry: 0, patience: silence };
    let failures = 0, error = /** @type {Failure?} */ (null);
    while (!signal.aborted) {
      const cut = child(signal), again = error !== renewed;
      let opened = 0, pinged = 0;
      if (again) report("connecting");
      try {
        for await (const frames of open(query, place, pace, cut)) for (const frame of frames) {
          const { type, id } = frame;
          cut.signal.throwIfAborted();
          if (type === "end") {
            place.id = id;
            return;
          }
          if (type === "busy") throw fault("busy", event(frame).data?.message);
          if (type === "expired") known = "";
          if (type === "ping") {
            const now = Date.parse(frame.data);
            if (pinged && now > pinged) pace.patience = Math.max(5000, 2.5 * (now - pinged));
            pinged = now;
          }
          if (!opened) report("open", { id });
          opened ||= Date.now();
          if (!control.includes(type)) failures = Math.min(failures, 1);
          yield frame;
          place.id = id;
        }
        return;
      } catch (e) {
        error = coded(e);
      }
      if (signal.aborted) return;
      if (error.final) throw error;
      if (error === renewed) continue;
      if (error.code === "busy") failures = 1; // the frame has the time until the next attempt
      else if (!opened && again) failures ||= 1;
      else if (Date.now() - opened > 5000) failures = 0;
      await rest(error, pause(failures++, pace.retry, error.after), report, signal);
    }
  }

  return {
    sleep, rest, token, call, follow, rouse,
    self: /** @type {string | undefined} */ (undefined), // the id of the live connection
    get doubtful() { return doubtful; },
  };
}
