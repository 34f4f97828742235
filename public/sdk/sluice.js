// sluice.d.ts tells what all this means.

/** @import { Event, Failure, Frame, State } from "./sluice.js" */
/** @typedef {{ id: string, back?: string, cut?: AbortController, live?: boolean }} Place back: where to read again from */
/** @typedef {{ pattern: string, fn: (e: any) => void, match: (e: Event) => boolean }} Listener */

const forever = 2 ** 31 - 1; // a timer's longest
const silence = 37_500; // 2.5 times the gateway's PING_INTERVAL
const publishFor = 90_000; // the gateway knows an Idempotency-Key for two minutes
const control = ["message", "ping", "gap", "live", "expired"]; // no published event has such a name
const notice = /^(dis|re)?connect$/;

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
    throw new TypeError(`"${pattern}" is no channel: METHOD:collection, name or name:collection`);
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

/** @param {Response} r */
async function failure(r) {
  const said = await r.json().catch(() => {}) ?? {};
  return Object.assign(Error(said.message || `the answer was ${r.status}: is this a gateway's url?`), {
    status: r.status, code: said.code, last: said.last,
    final: r.status < 500 && r.status !== 408 && r.status !== 429,
    after: 1000 * Number(r.headers.get("Retry-After")) || 0,
  });
}

const offline = () => globalThis.navigator?.onLine === false;

/** backoff is spread, so that not all come back together. @type {(failures: number) => number} */
const backoff = failures => Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);

/** identity outlives a renewal. @type {(token: string) => string} */
function identity(token) {
  try {
    const { exp, iat, nbf, jti, ...claims } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return JSON.stringify(claims);
  } catch {
    return token;
  }
}

/** @type {(fields: Record<string, any>) => string} */
function search(fields) {
  const q = new URLSearchParams();
  for (const [name, v] of Object.entries(fields)) if (v != null) q.set(name, v.toISOString?.() ?? v);
  return "?" + q;
}

/** @type {typeof import("./sluice.js").connect} */
export function connect(url, o = {}) {
  const address = url.replace(/\/+$/, "") + "/realtime";
  const closing = new AbortController();
  const sleepers = new Set(), streams = new Set();
  let listeners = /** @type {Listener[]} */ ([]);
  let state = /** @type {State} */ ("idle");
  let last = o.lastEventId ?? ""; // all up to here was dispatched
  let asked = false; // the leader was asked to go back
  let calm = false;
  let lead = /** @type {Place?} */ (null); // set in the tab that has the connection
  let tabs = /** @type {BroadcastChannel?} */ (null);
  let known = "", asking = /** @type {Promise<string>?} */ (null);

  const closed = () => closing.signal.aborted;
  const rouse = () => sleepers.forEach(wake => wake());
  if (globalThis.navigator?.onLine !== undefined) {
    addEventListener("online", rouse, closing);
    addEventListener("offline", () => streams.forEach(s => s.abort(Error("offline"))), closing);
  }

  /** @type {(ms: number) => Promise<void>} */
  const sleep = ms => new Promise(done => {
    const wake = () => {
      clearTimeout(timer);
      sleepers.delete(wake);
      done();
    };
    const timer = setTimeout(wake, Math.min(ms, forever));
    sleepers.add(wake);
  });

  /** token asks again where stale is what it gave; one question serves all who wait. @param {string} [stale] */
  function token(stale) {
    const ask = o.token;
    if (typeof ask !== "function") return ask;
    if (known && known !== stale) return known;
    return asking ??= Promise.resolve().then(ask).then(t => known = t).finally(() => asking = null);
  }

  /** request repeats a 401 once, with a fresh token. @param {string} query @param {RequestInit} init */
  async function request(query, init) {
    for (let stale; ;) {
      const jwt = await token(stale);
      const headers = { ...init.headers, ...(o.apikey && { "x-apikey": o.apikey }), ...(jwt && { Authorization: "Bearer " + jwt }) };
      const r = await (o.fetch ?? fetch)(address + query, { ...init, headers });
      if (r.status !== 401 || stale || typeof o.token !== "function") return r;
      await r.body?.cancel();
      stale = jwt;
    }
  }

  /**
   * follow yields frames through every cut. An id counts when the next frame is asked for.
   * @param {Record<string, any>} query @param {Place} place @param {(to: State, detail?: any) => void} tell
   */
  async function* follow(query, place, tell) {
    let failures = 0, retry = 0, patience = silence;
    while (!closed()) {
      if (offline()) {
        tell("offline");
        await sleep(forever);
        continue;
      }
      place.id = place.back ?? place.id;
      place.back = undefined;
      const cut = new AbortController(), { signal } = cut;
      streams.add(place.cut = cut);
      let open = false, pinged = 0, timer = 0, error;
      const watch = () => {
        clearTimeout(timer);
        timer = +setTimeout(() => {
          patience = Math.min(2 * patience, 300_000); // it may ping less often
          cut.abort(Error("the stream fell silent"));
        }, o.pingTimeout ?? patience);
      };
      try {
        tell("connecting");
        watch();
        const headers = { Accept: "text/event-stream", ...(place.id && { "Last-Event-ID": place.id }) };
        const r = await request(search(query), { headers, signal });
        if (r.status === 204) return;
        if (!r.ok || !r.body || !r.headers.get("Content-Type")?.startsWith("text/event-stream")) throw await failure(r);
        const body = r.body.getReader(), parse = parser(place.id);
        for (;;) {
          watch();
          const { done, value } = await body.read();
          clearTimeout(timer);
          if (done) throw Error("the gateway ended the stream");
          const frames = parse.push(value);
          retry = parse.retry ?? retry;
          for (const frame of frames) {
            if (signal.aborted) throw signal.reason;
            failures = -1;
            if (frame.type === "end") return;
            if (frame.type === "busy") throw Error("busy: " + event(frame).data?.message);
            if (frame.type === "expired") known = "";
            if (frame.type === "ping") {
              const now = Date.parse(frame.data);
              if (pinged && now > pinged) patience = Math.max(5000, 2.5 * (now - pinged));
              pinged = now;
            }
            if (!open) tell("open", { id: frame.id });
            open = true;
            yield frame;
            place.id = frame.id;
          }
        }
      } catch (e) {
        error = /** @type {Failure} */ (Object(e)); // a token function may throw anything
      } finally {
        clearTimeout(timer);
        streams.delete(cut);
        cut.abort();
      }
      if (closed()) return;
      if (error.final) throw error;
      failures++;
      if (place.back || offline()) continue;
      const wait = error.after || Math.max(retry, failures || !retry ? backoff(failures) : 0);
      const delay = Math.round(wait * (1 + Math.random() / 5));
      tell("waiting", { reason: error.message, status: error.status, delay });
      await sleep(delay);
    }
  }

  /** @param {string} type @param {any} e @param {(l: Listener) => boolean} [wants] */
  function emit(type, e, wants = l => l.pattern === type) {
    const to = listeners.filter(wants);
    if (!to[0] && (type === "error" || type === "gap")) console.warn("sluice:", type, e); // nothing is missed in silence
    for (const { fn } of to) {
      try {
        fn(e);
      } catch (fault) {
        (globalThis.reportError ?? console.error)(fault);
      }
    }
  }

  /** @param {State} to @param {any} [detail] */
  function turn(to, detail) {
    if (state === "closed") return;
    const from = state;
    state = to;
    if (to === "connecting") calm = false;
    if (lead) tabs?.postMessage({ to, detail });
    if (to === "waiting") emit("disconnect", detail);
    else if (to === from || from === "idle") return;
    else if (to === "open") emit("connect", detail);
    else if (to === "connecting") emit("reconnect", {});
    else emit("disconnect", { reason: to });
  }

  /**
   * deliver dispatches a frame, once. Nothing lies between prev and it, so a prev beyond our last shows that
   * messages were lost with another tab, and the leader is asked to go back.
   * @param {Frame} frame @param {string} prev @param {boolean} [live]
   */
  function deliver(frame, prev, live) {
    const { type, id } = frame, is = event(frame);
    const anew = type === "gap" && is.data.reason === "unknown"; // the only way that ids go back
    if (type === "message") asked = false; // the first frame of a connection
    if (last && !anew) {
      if (+prev > +last) {
        if (!asked) tabs?.postMessage({ back: last });
        asked = true;
        return;
      }
      asked = false;
      if (+id <= +last && (type === "gap" || !control.includes(type))) return;
    }
    if (type === "gap" || type === "expired") emit(type, is.data);
    else if (!control.includes(type)) emit(type, is, l => l.match(is));
    if (anew || +id > +last) last = id;
    if (live && !calm) emit("live", {}); // once
    calm ||= !!live;
  }

  /** What tabs say to each other holds no credential. @param {MessageEvent} message */
  function hear({ data: { to, detail, frame, prev, live, back } }) {
    if (!lead) {
      if (to) turn(to, detail);
      if (frame) deliver(frame, prev, live);
    } else if (back !== undefined && state === "open") {
      tabs?.postMessage({ to: state, detail: { id: lead.id }, frame: { type: "ping", data: "", id: lead.id }, prev: lead.id, live: lead.live });
      if (back && +back < +lead.id) {
        lead.back = back;
        lead.cut?.abort(Error("another tab missed something"));
      }
    }
  }

  async function live() {
    const place = /** @type {Place} */ (lead = { id: last });
    const query = { channels: o.channels, get from() { return o.live && place.id ? "now" : null; } };
    try {
      for await (const frame of follow(query, place, turn)) {
        const prev = place.id || frame.id;
        if (frame.type === "message") place.live = o.live && !place.id; // the new missed nothing
        if (frame.type === "live") place.live = true;
        tabs?.postMessage({ frame, prev, live: place.live });
        deliver(frame, prev, place.live);
      }
    } catch (e) {
      end();
      emit("error", e);
    }
  }

  /** end is for the live stream alone: who may not hear may still publish. */
  function end() {
    state = "closed";
    tabs?.close();
    tabs = null;
  }

  /** shared waits until this tab leads; until then it hears what the leader tells. */
  async function shared() {
    let jwt;
    for (let n = 0; !closed(); n++) {
      try {
        jwt = await token();
        break;
      } catch (e) {
        turn("waiting", { reason: String(e) });
        await sleep(backoff(n));
      }
    }
    const all = JSON.stringify([new URL(address, location.href), o.live, o.apikey, jwt && identity(jwt), [...o.channels ?? []].sort()]);
    const name = "sluice-" + new Uint32Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(all))).join("-");
    if (closed()) return;
    tabs = new BroadcastChannel(name);
    tabs.onmessage = hear;
    tabs.postMessage({ back: last });
    await navigator.locks.request(name, closing, live);
  }

  function start() {
    if (state !== "idle") return;
    turn("connecting");
    const can = o.shared !== false && globalThis.navigator?.locks && globalThis.location && globalThis.BroadcastChannel;
    (can ? shared() : live()).catch(() => {
      if (closed()) return;
      end(); // a sandboxed page has no locks
      state = "connecting";
      live();
    });
  }

  /** @type {{ body: string, key: string, done: (id: string) => void, fail: (e: any) => void }[]} */
  const queue = [];

  /** drain sends one after another, so that events are stored in the order of the calls. */
  async function drain() {
    for (; queue[0]; queue.shift()) {
      const { body, key, done, fail } = queue[0];
      await send(body, key).then(done, fail);
    }
  }

  /** @param {string} body @param {string} key */
  async function send(body, key) {
    let error = /** @type {any} */ (Error("the connection is closed"));
    for (let n = 0, until = 0; ; n++) {
      while (offline() && !closed()) await sleep(forever);
      until ||= Date.now() + publishFor;
      if (closed() || Date.now() > until) throw error;
      try {
        const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
        const r = await request("", { method: "POST", body, headers, signal: AbortSignal.timeout(25_000) });
        if (r.ok) return (await r.json()).id;
        error = await failure(r);
      } catch (e) {
        error = Object(e);
      }
      const delay = error.after || backoff(n);
      if (error.final || closed() || Date.now() + delay > until) throw error;
      await sleep(delay);
    }
  }

  function close() {
    if (closed()) return;
    end();
    closing.abort();
    streams.forEach(s => s.abort());
    rouse();
  }

  return {
    get state() { return state; },
    get lastEventId() { return last; },
    close,

    on(/** @type {string} */ pattern, /** @type {(e: any) => void} */ fn) {
      const own = { pattern, fn, match: notice.test(pattern) ? () => false : matcher(pattern) };
      listeners = [...listeners, own];
      Promise.resolve().then(start);
      return () => { listeners = listeners.filter(l => l !== own); };
    },

    off(pattern, fn) { listeners = listeners.filter(l => l.pattern !== pattern || fn && l.fn !== fn); },

    async *stream(name, range = {}) {
      let left = range.limit; // after a cut the gateway counts anew
      for await (const frame of follow({ ...range, stream: name }, { id: "" }, () => {})) {
        const e = event(frame);
        if (frame.type === "gap") emit("gap", { ...e.data, stream: name });
        if (control.includes(frame.type)) continue;
        yield e;
        if (left && !--left) return;
      }
    },

    publish(name, data, { idempotencyKey, ...fields } = {}) {
      return new Promise((done, fail) => {
        const most = o.queue ?? 1000;
        if (queue.length >= most) throw Object.assign(Error(`${most} events wait to be published already`), { code: "queue_full" });
        const body = JSON.stringify({ event: name, ...fields, data });
        const key = idempotencyKey ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
        if (queue.push({ body, key, done, fail }) === 1) drain();
      });
    },
  };
}
