// sluice.d.ts tells what all this means.

/** @import { Event, Failure, Frame, Options, State } from "./sluice.js" */
/** @typedef {{ id: string, calm?: boolean }} Place calm: nothing that is older is on its way */
/** @typedef {{ pattern: string, fn: (e: any) => void, match: (e: Event) => boolean }} Listener */

const forever = 2 ** 31 - 1; // a timer's longest
const silence = 37_500; // 2.5 times the gateway's PING_INTERVAL
const repeatFor = 100_000; // the gateway knows an Idempotency-Key for two minutes
const control = ["message", "ping", "gap", "live", "expired"]; // no published event has such a name
const unknown = /^(unreachable|timeout|not_a_gateway|internal|unknown_outcome)$/; // it may have been stored
const notice = /^((dis|re)?connect|live)$/;
const bearer = /^[\w.~+/-]{1,8192}=*$/; // RFC 6750, 2.1; the gateway takes 8 KiB
const names = ["apikey", "token", "channels", "lastEventId", "shared", "pingTimeout", "queue", "timeout", "fetch"];

/** @type {(code: string, message: string, kind?: any) => Failure} */
const fault = (code, message, kind = Error) => Object.assign(kind(message), { code });
const renewed = fault("renewed", "the token is renewed");

/** @type {(signal: AbortSignal, fn: () => void, options?: AddEventListenerOptions) => void} */
const onAbort = (signal, fn, options) => signal.aborted ? fn() : signal.addEventListener("abort", fn, options);

/** child is aborted with its parent, and after ms. @param {AbortSignal} parent @param {number} [ms] @param {any} [reason] */
function child(parent, ms, reason) {
  const cut = new AbortController();
  if (ms !== undefined) {
    const timer = setTimeout(() => cut.abort(reason), Math.min(ms, forever));
    onAbort(cut.signal, () => clearTimeout(timer));
  }
  onAbort(parent, () => cut.abort(parent.reason), cut);
  return cut;
}

/** race leaves what does not heed its signal. @type {<T>(signal: AbortSignal, p: Promise<T>) => Promise<T>} */
const race = (signal, p) => new Promise((done, fail) => {
  onAbort(signal, () => fail(signal.reason));
  p.then(done, fail);
});

/** parser: HTML standard, 9.2.6. @type {typeof import("./sluice.js").parser} */
export function parser(id = "") {
  const decoder = new TextDecoder(); // drops a BOM, keeps the half of a character for the next chunk
  let rest = "", type = "", data = "", cr = false;

  const field = (/** @type {string} */ line) => {
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "data") data += value + "\n";
    else if (name === "event") type = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) parse.retry = Math.min(+value, forever);
  };

  const parse = {
    retry: /** @type {number | undefined} */ (undefined),
    push(/** @type {Uint8Array} */ bytes) {
      /** @type {Frame[]} */
      const frames = [];
      let text = decoder.decode(bytes, { stream: true });
      if (!text) return frames;
      const lf = cr && text[0] === "\n"; // of the CRLF whose CR ended the last chunk
      cr = text.endsWith("\r");
      if (lf) text = text.slice(1);
      rest += text;
      if (!/[\r\n]/.test(text)) return frames;
      const lines = rest.split(/\r\n|\r|\n/);
      rest = lines.pop() ?? "";
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
  };
  return parse;
}

/** @type {(name: string) => string | undefined} */
const method = name => /^(post|put|delete)$/.exec(name.toLowerCase().replace(/^patch$/, "put"))?.[0];

/** @type {(want: string) => (name?: string) => boolean} */
const side = want => name => name !== undefined && (want.endsWith("*") ? name.startsWith(want.slice(0, -1)) : name === want);

/** @type {(pattern: string) => Listener["match"]} */
function matcher(pattern) {
  const [left, right, more] = pattern.split(":"), verb = method(left);
  if (!left || left[0] === "$" || right === "" || more !== undefined || verb && !right)
    throw fault("bad_channel", `"${pattern}" is no channel: METHOD:collection, name or name:collection`, TypeError);
  const name = side(left), collection = side(right);
  return e => {
    const is = method(e.event);
    return (left === "*" || (verb ? is === verb : !is && name(e.event))) && (right === undefined || collection(e.collection));
  };
}

/** @type {(frame: Frame) => Event} */
function event({ type, data, id }) {
  try {
    return { ...JSON.parse(data), id };
  } catch {
    return { event: type, data, id };
  }
}

/** @type {(r: Response, signal: AbortSignal) => Promise<any>} */
const json = async (r, signal) => await race(signal, r.json()).catch(() => {}) ?? {};

/** failure is what an answer tells. Only the gateway's own have a message and a code in words. @param {Response} r @param {any} said */
function failure(r, { message, code, last }, strict = false) {
  const { status } = r, ours = typeof code === "string" && typeof message === "string";
  const passes = status > 499 || status === 408 || status === 429, to = r.headers.get("Location");
  const why = ours ? fault(code, message)
    : r.type === "opaqueredirect" || status > 299 && status < 400 ? fault("redirected", `the gateway's url redirects${to ? " to " + to : ""}: connect to where it leads`)
    : fault("not_a_gateway", `the answer was ${status}: is this a gateway's url?`);
  return Object.assign(why, {
    status, last, final: (ours || strict) && !passes,
    after: Math.min(1000 * Number(r.headers.get("Retry-After")) || 0, 60_000),
  });
}

/** @type {(e: any) => Failure} */
const coded = e => typeof e?.code === "string" ? e : fault("unreachable", `the gateway could not be reached: ${e?.message ?? e}`);

/** backoff is spread, so that not all come back together. @type {(failures: number) => number} */
const backoff = failures => Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);

/** pause is how long to wait: after a cut (no failure yet) at most a second, then the gateway's retry, then longer. */
function pause(failures = 0, retry = 0, after = 0) {
  if (!failures && (!retry || retry > 1000)) return 1000 * Math.random();
  return Math.max(after, retry, failures > 1 || !retry ? backoff(failures - 1) : 0) * (1 + Math.random() / 5);
}

/** @param {string} token */
function claims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {}
}

/** identity outlives a renewal. @type {(token: string) => string} */
function identity(token) {
  const { exp, iat, nbf, jti, ...rest } = claims(token) ?? { token };
  return JSON.stringify(rest);
}

/** @type {(fields: Record<string, any>) => string} */
function search(fields) {
  const q = new URLSearchParams();
  for (const [name, v] of Object.entries(fields)) if (v != null) q.set(name, v.toISOString?.() ?? v);
  return "?" + q;
}

/** home checks what connect was given, and returns the gateway's address. @param {string} url @param {Options} o */
function home(url, o) {
  for (const name of Object.keys(o)) {
    const near = names.find(n => n !== name && n.toLowerCase() === name.toLowerCase().replace(/[-_]/g, ""));
    if (near) throw fault("bad_option", `there is no option "${name}": did you mean "${near}"?`, TypeError);
  }
  try {
    for (const v of [o.apikey, o.token]) if (typeof v === "string") new Headers({ v });
  } catch {
    throw fault("bad_option", "the apikey or the token cannot be sent in a header", TypeError);
  }
  try {
    const at = new URL(url || "/", globalThis.location?.href);
    if (/^(https?:\/\/|[/.]|$)/i.test(url) && at.protocol.startsWith("http")) return at.origin + at.pathname.replace(/\/+$/, "");
  } catch {}
  throw fault("bad_url", `"${url}" is no gateway's url: did you mean "http://${url.replace(/^(https?:|\w+:(?=\/))?\/*/i, "")}"?`, TypeError);
}

/** @type {typeof import("./sluice.js").connect} */
export function connect(url, o = {}) {
  const address = home(String(url), o) + "/realtime";
  const closing = new AbortController(), me = Math.random();
  const sleepers = new Set(), streams = new Set();
  let listeners = /** @type {Listener[]} */ ([]), kept = false; // by on(), which nothing but close() ends
  let state = /** @type {State} */ ("idle"), detail = /** @type {any} */ ({}), fatal = /** @type {any} */ (null);
  let last = o.lastEventId ?? ""; // all up to here was dispatched
  let sure = !last; // this log had last
  let doubtful = globalThis.navigator?.onLine === false; // a hint, which any answer refutes

  // The live stream. The tab that leads reads it, the others hear that one.
  let feed = new AbortController(), reader = /** @type {AbortController?} */ (null);
  let place = /** @type {Place} */ ({ id: "" });
  let lead = false, missed = 0; // seconds since the leader was heard
  let told = false; // the notice live, of this connection
  let present = false; // the one that leads has told all that it had missed
  let trust = false; // it tells nothing from before this tab
  let leader = /** @type {any} */ (null); // what it told of itself
  let ahead = /** @type {{ frame: Frame, prev: string }[]} */ ([]); // what it told of the log and we are not at yet
  let tabs = /** @type {BroadcastChannel?} */ (null);

  const closed = () => closing.signal.aborted;
  const rouse = () => {
    sleepers.forEach(s => s.abort());
    streams.forEach(s => s.look());
  };
  globalThis.addEventListener?.("online", () => {
    doubtful = false;
    rouse();
  }, closing);
  globalThis.addEventListener?.("offline", () => {
    doubtful = true;
    streams.forEach(s => s.cut.abort(fault("offline", "offline")));
  }, closing);
  globalThis.addEventListener?.("pageshow", rouse, closing);
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

  let known = "", asking = /** @type {Promise<string>?} */ (null);
  let refused = 0, askedAt = 0; // tokens that failed, one after another

  /** ask asks the token function. One question serves all who wait, and a second failure has to wait. */
  async function ask() {
    if (refused > 1) await sleep(askedAt + backoff(refused - 2) - Date.now(), closing.signal);
    if (closed()) throw closing.signal.reason;
    refused++;
    askedAt = Date.now();
    const limit = child(closing.signal, 10_000, "it gave nothing for 10 s");
    try {
      const token = /** @type {() => any} */ (o.token);
      const text = String(await race(limit.signal, Promise.resolve().then(token)) ?? "").trim();
      if (text && !bearer.test(text)) throw "it gave what is no token";
      return known = text;
    } catch (e) {
      throw fault("token_failed", "the token function failed: " + (/** @type {any} */ (e)?.message ?? e));
    } finally {
      limit.abort();
    }
  }

  /** @param {AbortSignal} signal */
  const fresh = signal => race(signal, asking ??= ask().finally(() => asking = null));

  /** @param {AbortSignal} signal */
  const token = async signal => typeof o.token !== "function" ? o.token : known || fresh(signal);

  /** request repeats a 401 once, with a fresh token. @param {string} query @param {RequestInit} init @param {AbortSignal} signal */
  async function request(query, init, signal) {
    for (let again = typeof o.token !== "function"; ; again = true) {
      const jwt = await token(signal);
      const headers = { ...init.headers, ...(o.apikey && { "x-apikey": o.apikey }), ...(jwt && { Authorization: "Bearer " + jwt }) };
      const r = await race(signal, (o.fetch ?? fetch)(address + query, { ...init, headers, signal }));
      doubtful = false;
      if (r.status !== 401) {
        refused = 0;
        return r;
      }
      if (jwt === known) known = "";
      if (again) {
        const why = failure(r, await json(r, signal));
        if (!jwt && !o.apikey && o.token !== undefined) Object.assign(why, { final: true, code: "token_empty", message: "the token is empty: " + why.message });
        throw why;
      }
      r.body?.cancel().catch(() => {});
    }
  }

  /**
   * open yields the frames of one connection, by chunks, and throws what ended it.
   * @param {Record<string, any>} query @param {Place} place @param {{ retry: number, patience: number }} pace @param {AbortController} cut
   */
  async function* open(query, place, pace, cut) {
    const { signal } = cut;
    let heard = Date.now(), timer = 0, renewal = 0;
    const look = () => {
      const patience = o.pingTimeout ?? pace.patience, left = heard + patience - Date.now();
      clearTimeout(timer);
      if (left > 0) return timer = +setTimeout(look, Math.min(left, patience));
      pace.patience = Math.min(2 * pace.patience, 300_000); // it may ping less often
      cut.abort(fault("silent", "the stream fell silent"));
    };
    const stream = { cut, look };
    streams.add(stream);
    try {
      look();
      const headers = { Accept: "text/event-stream", ...(place.id && { "Last-Event-ID": place.id }) };
      const r = await request(search(query), { headers }, signal), jwt = known;
      if (r.status === 204 && ("stream" in query || query.until)) return;
      if (!r.ok || !r.body || !r.headers.get("Content-Type")?.startsWith("text/event-stream")) throw failure(r, await json(r, signal));
      const renew = () => {
        const left = 1000 * claims(jwt)?.exp - Date.now();
        if (left > 3000) renewal = +setTimeout(async () => {
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
        heard = Date.now();
        const { done, value } = await body.read();
        heard = Infinity; // what takes time now is not the gateway
        if (signal.aborted) throw signal.reason;
        if (done) throw fault("ended", "the gateway ended the stream");
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
   * follow yields frames through every cut. An id counts when the next frame is asked for.
   * @param {Record<string, any>} query @param {Place} place @param {(to: State, detail?: any) => void} tell @param {AbortSignal} signal
   */
  async function* follow(query, place, tell, signal) {
    const pace = { retry: 0, patience: silence };
    let failures = 0, error = /** @type {Failure?} */ (null);
    while (!signal.aborted) {
      const cut = child(signal), again = error !== renewed;
      let opened = 0, pinged = 0;
      if (again) tell("connecting");
      try {
        for await (const frames of open(query, place, pace, cut)) for (const frame of frames) {
          const { type, id } = frame;
          if (cut.signal.aborted) throw cut.signal.reason;
          if (type === "end") {
            place.id = id;
            return;
          }
          if (type === "busy") throw fault("busy", "busy: " + event(frame).data?.message);
          if (type === "expired") known = "";
          if (type === "ping") {
            const now = Date.parse(frame.data);
            if (pinged && now > pinged) pace.patience = Math.max(5000, 2.5 * (now - pinged));
            pinged = now;
          }
          if (!opened) tell("open", { id });
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
      if (error.code === "busy") failures = 1; // it says when
      else if (!opened && again) failures ||= 1;
      else if (Date.now() - opened > 5000) failures = 0;
      const delay = Math.round(Math.max(pause(failures++, pace.retry, error.after), doubtful ? 3000 : 0));
      tell(doubtful ? "offline" : "waiting", { reason: error.message, code: error.code, status: error.status, delay });
      await sleep(delay, signal);
    }
  }

  /** @param {string} type @param {any} e @param {(l: Listener) => boolean} [wants] */
  function emit(type, e, wants = l => l.pattern === type) {
    const to = listeners.filter(wants);
    if (!to[0] && (type === "error" || type === "gap")) console.warn("sluice:", type, e); // nothing is missed in silence
    for (const l of to) {
      try {
        if (listeners.includes(l)) l.fn(e);
      } catch (fault) {
        (globalThis.reportError ?? console.error)(fault);
      }
    }
  }

  /** @param {State} to @param {any} [more] */
  function turn(to, more = {}) {
    if (state === "closed") return;
    const from = state;
    state = to;
    detail = more;
    if (to !== "open") told = false;
    if (lead) tabs?.postMessage({ to, detail });
    if (to === "waiting" || to === "offline") emit("disconnect", detail);
    else if (to === from || from === "idle") return;
    else if (to === "open") emit("connect", detail);
    else emit("reconnect", detail);
  }

  /** deliver dispatches a frame, once. @param {Frame} frame */
  function deliver(frame) {
    const { type, id } = frame, is = event(frame);
    const anew = type === "gap" && is.data.reason === "unknown"; // the only way that ids go back
    if (!anew && +id <= +last && (type === "gap" || !control.includes(type))) return;
    if (type === "gap" || type === "expired") emit(type, is.data);
    else if (!control.includes(type)) emit(type, is, l => l.match(is));
    if (anew || +id > +last) last = id;
  }

  /** arrive tells, once a connection, that all that was missed has come. */
  function arrive() {
    if (told || state !== "open") return;
    told = true;
    emit("live", {});
  }

  /** read reads the live stream in the tab that leads, from last or now. */
  async function read() {
    reader?.abort();
    const cut = reader = child(feed.signal);
    const at = place = /** @type {Place} */ ({ id: last });
    // Who comes back asks for the mark behind what it has missed: with an id, from= begins there.
    const query = { channels: o.channels, get from() { return at.id ? "now" : null; } };
    try {
      for await (const frame of follow(query, at, turn, cut.signal)) {
        const { type } = frame;
        if (type === "ping" || type === "live") at.calm = true;
        if (type === "message") at.calm = !at.id; // the first frame of a connection
        if (sure) tabs?.postMessage({ frame, prev: at.id || frame.id, live: at.calm });
        deliver(frame);
        if (at.calm) arrive();
        if (sure || type === "message") continue;
        sure = true;
        answer();
      }
    } catch (e) {
      refuse(e);
    }
  }

  /** catchUp reads what the leader tells no more to a tab that is not where that one is. */
  async function catchUp() {
    if (reader) return;
    const { signal } = reader = child(feed.signal);
    const tell = (/** @type {State} */ to, /** @type {any} */ more) => { if (more?.reason) turn(to, more); };
    try {
      for (let n = 0; !n || ahead[0]; n++) {
        if (n) await sleep(backoff(n - 1), signal);
        const at = { id: last };
        for await (const frame of follow({ channels: o.channels, until: "caught-up", after: last ? null : "now" }, at, tell, signal)) deliver(frame);
        if (signal.aborted) return;
        sure = true;
        if (!(+at.id <= +last)) last = at.id;
        join();
      }
      reader = null;
      if (leader) turn(leader.to, leader.detail);
      if (present) arrive();
    } catch (e) {
      refuse(e);
    }
  }

  /** @param {any} e */
  function refuse(e) {
    fatal = e;
    end();
    if (kept) emit("error", e);
  }

  /** join goes on with what the leader told, since nothing lies between prev and its frame. */
  function join() {
    while (sure && ahead[0] && !(+ahead[0].prev > +last)) deliver(/** @type {any} */ (ahead.shift()).frame);
  }

  const hail = () => tabs?.postMessage({ ask: me });
  const answer = () => {
    const calm = !place.id || state === "open" && place.calm;
    tabs?.postMessage({ to: state, detail, calm, at: sure && state === "open" ? place.id : "" });
  };

  /** What tabs say to each other holds no credential. @param {MessageEvent} message */
  function hear({ data }) {
    let { ask, to, calm, at, frame, prev } = data;
    if (ask) {
      if (lead) answer();
      else if (ask > me) missed = 0; // that tab takes the lead, if there is need
      return;
    }
    if (lead) return; // one that lost the lead, and has not noticed yet
    missed = 0;
    if (to) {
      if (to === "open" && leader?.to !== to) sleepers.forEach(s => s.abort()); // the gateway is back
      leader = data;
      if (!reader) turn(to, data.detail);
    }
    if (to) present = false;
    present = data.live ?? calm ?? present;
    if (calm !== undefined) {
      trust = calm;
      if (!last && !calm) return catchUp(); // there, events from before this tab are still on their way
      if (at) frame = { type: "ping", data: "", id: prev = at };
    }
    if (!frame || !last && !reader && !trust) return;
    if (!last && !reader) last = prev;
    if (frame.type === "gap") { // each asks the gateway what it has missed itself
      sure = false;
      ahead = [];
      return catchUp();
    }
    if (ahead.push({ frame, prev }) > 1000) ahead.shift();
    join();
    if (ahead[0]) catchUp();
    else if (present && !reader) arrive();
  }

  /** shared follows the tab that leads, and leads when its turn comes or when that one hangs. @param {AbortSignal} signal */
  async function shared(signal) {
    let jwt;
    for (let n = 1; !signal.aborted; n++) {
      try {
        jwt = await token(signal);
        break;
      } catch (e) {
        if (signal.aborted) return;
        const { message: reason, code } = coded(e), delay = Math.round(pause(n));
        turn("waiting", { reason, code, delay });
        await sleep(delay, signal);
      }
    }
    const all = JSON.stringify([2, address, o.apikey, jwt && identity(jwt), [...o.channels ?? []].sort()]);
    const name = "sluice-" + new Uint32Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(all))).join("-");
    if (signal.aborted) return;

    const rule = () => {
      if (signal.aborted) return;
      lead = true;
      ahead = [];
      read();
      answer();
      return new Promise(done => onAbort(signal, () => done(0)));
    };
    const deposed = () => {
      lead = false;
      reader?.abort();
      reader = null;
      hail();
    };
    const { locks } = navigator;
    tabs = new BroadcastChannel(name);
    tabs.onmessage = hear;
    hail();
    if (!sure) catchUp(); // only the gateway knows
    const timer = setInterval(() => {
      if (lead) return;
      if (++missed > 1) hail();
      if (missed < 6) return;
      missed = 0;
      locks.request(name, { steal: true }, rule).catch(deposed);
    }, 1000);
    onAbort(signal, () => clearInterval(timer));
    while (!signal.aborted) {
      await locks.request(name, { signal }, rule).catch(e => {
        if (signal.aborted) return;
        if (e.name !== "AbortError") throw e;
        deposed();
      });
    }
  }

  function start() {
    if (state !== "idle") return;
    turn("connecting");
    const { signal } = feed;
    const alone = () => {
      if (signal.aborted) return;
      tabs?.close(); // a sandboxed page has no locks
      tabs = null;
      lead = true;
      read();
    };
    const can = o.shared !== false && globalThis.navigator?.locks && globalThis.location && globalThis.BroadcastChannel;
    if (can) shared(signal).catch(alone);
    else alone();
  }

  /** end is for the live stream alone: who may not hear may still publish. @param {State} to */
  function end(to = "closed") {
    state = to;
    feed.abort();
    feed = new AbortController();
    tabs?.close();
    tabs = reader = null;
    lead = trust = false;
    ahead = [];
    if (to === "idle") last = o.lastEventId ?? "";
    sure = !last;
  }

  /** @type {{ body: string, key: string, at: number, until: number, cut: AbortController, error?: Failure, done: (id: string) => void, fail: (e: any) => void }[]} */
  let queue = [], draining = false;
  let failed = 0, failedAt = 0, resume = 0, trouble = /** @type {Failure?} */ (null); // what holds one up holds up all

  /** drain sends one after another, so that events are stored in the order of the calls. */
  async function drain() {
    if (draining) return;
    draining = true;
    for (let item; item = queue[0];) {
      await send(item).then(item.done, item.fail);
      item.cut.abort(); // takes it off the queue
    }
    draining = false;
  }

  /** @param {typeof queue[0]} item */
  async function send(item) {
    const { body, key, cut: { signal } } = item;
    for (let until = item.until; ;) {
      const late = resume > until;
      if (late && item.at <= failedAt) throw trouble;
      const wait = Math.max(late ? 0 : resume - Date.now(), doubtful ? 3000 : 0);
      if (wait > 0) await sleep(wait, signal);
      if (signal.aborted) throw signal.reason;
      const began = doubtful ? Infinity : Date.now(); // without a network nothing arrives
      const attempt = child(signal, 25_000, fault("timeout", "no answer came within 25 s"));
      let error;
      try {
        const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
        const r = await request("", { method: "POST", redirect: "manual", body, headers }, attempt.signal);
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

  /**
   * events reads the past, and goes on over the live stream where that shows all.
   * @param {string | null | undefined} name @param {import("./sluice.js").Range} range @param {AbortSignal} signal
   */
  async function* events(name, range, signal) {
    const own = { id: "" };
    const past = async function* (/** @type {any} */ query, whole = true) {
      for await (const frame of follow({ ...query, stream: name }, own, () => {}, signal)) {
        const e = event(frame);
        if (frame.type === "gap") emit("gap", { ...e.data, stream: name });
        if (!control.includes(frame.type)) yield e;
        if (whole || frame.type !== "live" || state === "closed") continue;
        own.id = frame.id;
        return true;
      }
    };
    const all = (range.to ?? range.until ?? range.types ?? range.channels ?? o.channels) == null;
    if (!(yield* past(range, !all))) return;

    const heard = /** @type {Event[]} */ ([]), live = feed.signal;
    let wake = () => {}, full = false;
    const changed = () => new Promise(done => wake = () => done(0));
    const opened = { pattern: "connect", match: () => false, fn: () => wake() };
    const tail = {
      pattern: "",
      match: (/** @type {Event} */ e) => !full && (name == null || e.stream === name),
      fn: (/** @type {Event} */ e) => {
        full = heard.push(e) > 1000; // who is slow reads on by himself
        wake();
      },
    };
    listeners = [...listeners, tail, opened];
    for (const s of [signal, live]) onAbort(s, () => wake());
    try {
      if (state === "idle") {
        last = own.id;
        sure = true;
        start();
      } else {
        while (state !== "open" && !live.aborted && !signal.aborted) await changed();
        if (+(last || detail.id) > +own.id) yield* past({ until: "caught-up" });
      }
      while (!full || heard[0]) {
        for (const e of heard.splice(0)) {
          if (+e.id <= +own.id) continue;
          own.id = e.id;
          yield e;
        }
        if (signal.aborted) return;
        if (live.aborted) throw fatal;
        if (!heard[0] && !full) await changed();
      }
    } finally {
      listeners = listeners.filter(l => l !== tail && l !== opened);
      if (!kept && !listeners[0] && state !== /** @type {State} */ ("closed")) end("idle");
    }
    yield* past(range);
  }

  function close() {
    if (closed()) return;
    end();
    closing.abort(fault("closed", "the connection is closed"));
  }

  return {
    get state() { return state; },
    get lastEventId() { return last; },
    close,

    on(/** @type {string} */ pattern, /** @type {(e: any) => void} */ fn) {
      const own = { pattern, fn, match: notice.test(pattern) ? () => false : matcher(pattern) };
      listeners = [...listeners, own];
      kept = true;
      Promise.resolve().then(start);
      return () => { listeners = listeners.filter(l => l !== own); };
    },

    off(pattern, fn) { listeners = listeners.filter(l => l.pattern !== pattern || fn && l.fn !== fn); },

    stream(name, { signal, ...range } = {}) {
      const cut = child(closing.signal), end = () => cut.abort();
      if (signal) onAbort(signal, end, cut);
      const all = async function* () {
        let left = range.limit; // after a cut the gateway counts anew
        try {
          for await (const e of events(name, range, cut.signal)) {
            yield e;
            if (left && !--left) return;
          }
        } finally {
          end();
        }
      }();
      return /** @type {any} */ ({
        next: () => all.next(),
        return(/** @type {any} */ value) {
          end(); // or it would wait for the next event
          return all.return(value);
        },
        throw(/** @type {any} */ e) {
          end();
          return all.throw(e);
        },
        [Symbol.asyncIterator]() { return this; },
      });
    },

    publish(name, data, { idempotencyKey, timeout = o.timeout ?? 60_000, ...fields } = {}) {
      return new Promise((done, fail) => {
        const most = o.queue ?? 1000;
        if (closed()) throw closing.signal.reason;
        if (queue.length >= most) throw fault("queue_full", `${most} events wait to be published already`);
        const body = JSON.stringify({ event: name, ...fields, data });
        const key = idempotencyKey ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
        const cut = child(closing.signal, timeout, fault("timeout", `it was not published within ${timeout} ms`));
        const item = /** @type {typeof queue[0]} */ ({ body, key, at: Date.now(), until: Date.now() + timeout, cut, done, fail });
        onAbort(cut.signal, () => {
          queue = queue.filter(i => i !== item);
          fail(closed() ? cut.signal.reason : item.error ?? cut.signal.reason);
        });
        queue.push(item);
        drain();
      });
    },
  };
}
