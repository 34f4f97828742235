import { matcher } from "./channel.js";
import { coded, fault } from "./failure.js";
import { identity, link } from "./link.js";
import { home, spell } from "./options.js";
import { control, event } from "./parser.js";
import { publisher } from "./publish.js";
import { child, onAbort, pause } from "./wait.js";

/** @import { Event, Frame, State } from "../sluice.js" */
/** @import { Listener } from "./channel.js" */

const notice = /^((dis|re)?connect|live)$/;

/** @type {typeof import("../sluice.js").connect} */
export function connect(url, o = {}) {
  const address = home(String(url), o) + "/realtime";
  const closing = new AbortController(), me = Math.random();
  const way = link(address, o, closing), { sleep, token, follow } = way;
  let listeners = /** @type {Listener[]} */ ([]), kept = false; // a listener of on() needs the stream until close()
  let state = /** @type {State} */ ("idle"), detail = /** @type {any} */ ({}), fatal = /** @type {any} */ (null);
  let last = o.lastEventId ?? ""; // everything up to this id was dispatched
  let sure = !last; // the gateway has confirmed that this log contains last

  // The live stream. The leading tab reads it and passes it on to the other tabs.
  let feed = new AbortController(), reader = /** @type {AbortController?} */ (null);
  let lead = false, missed = 0; // seconds since the last message of the leader
  let asked = 0; // when this tab began to catch up
  let arrived = false; // the notice live was sent for this connection
  let leader = /** @type {any} */ (null); // its last status
  let ahead = /** @type {{ frame: Frame, prev: string }[]} */ ([]); // frames from the leader that this tab cannot dispatch yet
  let tabs = /** @type {BroadcastChannel?} */ (null);

  /** @param {string} type @param {any} e @param {(l: Listener) => boolean} [wants] */
  function emit(type, e, wants = l => l.pattern === type) {
    const to = listeners.filter(wants);
    if (!to[0] && (type === "error" || type === "gap")) console.warn("sluice:", type, e); // an error or a gap never goes unnoticed
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
    if (to !== "open") arrived = false;
    status();
    if (to === "waiting" || to === "offline") emit("disconnect", detail);
    else if (to !== from && from !== "idle") emit(to === "open" ? "connect" : "reconnect", detail);
  }

  /** deliver dispatches a frame, once. @param {Frame} frame */
  function deliver(frame) {
    const { type, id } = frame, is = event(frame);
    const restart = type === "gap" && is.data.reason === "unknown"; // only after this gap can ids be lower
    if (!restart && +id <= +last && (type === "gap" || !control.includes(type))) return;
    if (type === "message") way.self = /** @type {any} */ (is).connection; // undefined from an older gateway
    if (type === "gap" || type === "expired") emit(type, is.data);
    else if (!control.includes(type)) emit(type, is, l => l.match(is));
    if (restart || !last || +id > +last) last = id;
  }

  /** arrive sends the notice live once for each connection: everything missed has arrived. */
  function arrive() {
    if (arrived || state !== "open") return;
    arrived = true;
    emit("live", {});
  }

  /** read reads the live stream in the leading tab, from last or from now. */
  async function read() {
    reader?.abort();
    const cut = reader = child(feed.signal);
    // With an id and from=now, the gateway first sends what was missed, and then the frame live.
    const query = { channels: o.channels, get from() { return last ? "now" : null; } };
    try {
      for await (const frame of follow(query, { id: last }, turn, cut.signal)) {
        const { type } = frame, live = arrived || type === "live" || !last; // only new events follow
        if (sure) post({ frame, prev: last || frame.id, live });
        deliver(frame);
        if (live) arrive();
        if (sure || type === "message") continue;
        sure = true;
        status();
      }
    } catch (e) {
      refuse(e);
    }
  }

  /**
   * catchUp reads from the gateway what lies between this tab and the leader, because the leader does not send it again. A new
   * tab gets its position from the gateway too: a message of the leader can be older than the tab, if the leader hung.
   */
  async function catchUp() {
    if (reader) return;
    const { signal } = reader = child(feed.signal);
    asked = Date.now();
    const report = (/** @type {State} */ to, /** @type {any} */ more) => { if (more?.reason) turn(to, more); };
    try {
      for (let n = 0; !n || ahead[0]; n++) {
        if (n) await sleep(pause(n), signal);
        const at = { id: last };
        for await (const frame of follow({ channels: o.channels, until: "caught-up", after: last ? null : "now" }, at, report, signal)) deliver(frame);
        if (signal.aborted) return;
        sure = true;
        if (!(+at.id <= +last)) last = at.id;
        join();
      }
      caughtUp();
    } catch (e) {
      refuse(e);
    }
  }

  function caughtUp() {
    reader = null;
    if (leader) turn(leader.to, leader.detail);
    if (leader?.live) arrive(); // else the leader will send what came in the meantime
  }

  /** @param {any} e */
  function refuse(e) {
    fatal = e;
    end();
    if (kept) emit("error", e);
  }

  /** join dispatches the frames of the leader that follow last: nothing lies between prev and its frame. */
  function join() {
    while (sure && ahead[0] && !(+ahead[0].prev > +last)) deliver(/** @type {any} */ (ahead.shift()).frame);
  }

  const post = (/** @type {any} */ message) => tabs?.postMessage({ me, ...message });
  const askLeader = () => post({ ask: true });
  // status sends the state of the leading tab to the others.
  const status = () => lead && post({
    to: state, detail, live: arrived, ...sure && state === "open" && { frame: { type: "ping", data: "", id: last }, prev: last },
  });

  /** receive handles a message of another tab. Messages contain no credential. @param {MessageEvent} message */
  function receive({ data: { me: from, ask, to, detail, frame, prev, live } }) {
    if (ask) {
      if (lead) setTimeout(status); // in Firefox, a tab with an open alert() gets messages, but no timers and no stream
      else if (from > me) missed = 0; // that tab takes the lead if necessary
      return;
    }
    if (lead) return; // the sender lost the lead, and has not noticed yet
    if (to) {
      if (to === "open" && leader?.to !== to) way.rouse(); // the gateway is back
      leader = { from, to, detail };
      if (to === "open" && !(sure && last)) catchUp(); // only the gateway knows the position
      if (!reader) turn(to, detail);
    }
    const known = leader?.from === from; // else the sender has lost the lead, and this tab follows another connection
    if (known) leader.live = live;
    else live = false;
    missed = known ? 0 : 1; // so that this tab asks for the leader
    if (reader && !last && live && !to && Date.now() - asked > 5000) { // the browser has no free connection: the position of the leader is now
      last = prev;
      ahead = [];
      reader.abort();
      caughtUp();
    }
    if (frame?.type === "gap") { // each tab asks the gateway what it has missed
      sure = false;
      ahead = [];
    } else if (frame && ahead.push({ frame, prev }) > 1000) ahead.shift();
    join();
    if (ahead[0] || frame && !sure) catchUp();
    else if (live && !reader) arrive();
  }

  /** shared follows the leading tab. It takes the lead when the leader closes or hangs. @param {AbortSignal} signal */
  async function shared(signal) {
    let jwt;
    for (let n = 1; !signal.aborted; n++) {
      try {
        jwt = await token(signal);
        break;
      } catch (e) {
        if (signal.aborted) return;
        await way.rest(coded(e), pause(n), turn, signal);
      }
    }
    const all = JSON.stringify([4, address, o.credentials, o.apikey, jwt && identity(jwt), [...o.channels ?? []].sort()]);
    const name = "sluice-" + new Uint32Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(all))).join("-");
    if (signal.aborted) return;

    const takeLead = () => {
      if (signal.aborted) return;
      lead = true;
      ahead = [];
      read();
      return new Promise(done => onAbort(signal, /** @type {() => void} */ (done)));
    };
    const lostLead = () => {
      lead = false;
      reader?.abort();
      reader = null;
      askLeader();
    };
    const { locks } = navigator;
    tabs = new BroadcastChannel(name);
    tabs.onmessage = receive;
    askLeader();
    const timer = setInterval(() => {
      if (lead) return;
      if (++missed > 1) askLeader();
      if (missed < 6) return;
      missed = 0;
      locks.request(name, { steal: true }, takeLead).catch(lostLead);
    }, 1000);
    onAbort(signal, () => clearInterval(timer));
    while (!signal.aborted) {
      await locks.request(name, { signal }, takeLead).catch(e => {
        if (signal.aborted) return;
        if (e.name !== "AbortError") throw e;
        lostLead();
      });
    }
  }

  function start() {
    if (state !== "idle") return;
    turn("connecting");
    const { signal } = feed;
    const alone = () => {
      if (signal.aborted) return;
      tabs?.close(); // a sandboxed page has no locks, and an old browser lacks the rest
      tabs = null;
      lead = true;
      read();
    };
    if (o.shared !== false && o.echo !== false && globalThis.location) shared(signal).catch(alone);
    else alone();
  }

  /** end ends the live stream only: a client that may not subscribe may still publish. @param {State} to */
  function end(to = "closed") {
    state = to;
    feed.abort();
    feed = new AbortController();
    tabs?.close();
    tabs = reader = null;
    lead = false;
    ahead = [];
    if (to === "idle") last = o.lastEventId ?? "";
    sure = !last;
  }

  /**
   * events reads the past, and then follows the live stream if that has all of the events.
   * @param {string | null | undefined} name @param {import("../sluice.js").Range} range @param {AbortSignal} signal
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

    const buffer = /** @type {Event[]} */ ([]), live = feed.signal;
    let wake = () => {}, full = false;
    const changed = () => new Promise(done => wake = /** @type {() => void} */ (done));
    const tail = {
      pattern: "connect", // the notice connect wakes too
      match: (/** @type {Event} */ e) => !full && (name == null || e.stream === name),
      fn: (/** @type {Event} */ e) => {
        if (e.event) full = buffer.push(e) > 1000; // a slow reader continues with requests of its own
        wake();
      },
    };
    listeners = [...listeners, tail];
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
      while (!full || buffer[0]) {
        for (const e of buffer.splice(0)) {
          if (+e.id <= +own.id) continue;
          own.id = e.id;
          yield e;
        }
        if (signal.aborted) return;
        if (live.aborted) throw fatal;
        if (!buffer[0] && !full) await changed();
      }
    } finally {
      listeners = listeners.filter(l => l !== tail);
      if (!kept && !listeners[0] && state !== /** @type {State} */ ("closed")) end("idle");
    }
    yield* past(range);
  }

  function close() {
    if (closing.signal.aborted) return;
    end();
    closing.abort(fault("closed"));
  }

  return {
    get state() { return state; },
    get lastEventId() { return last; },
    close,
    ...publisher(way, o, closing),

    on(/** @type {string} */ pattern, /** @type {(e: any) => void} */ fn) {
      const own = { pattern, fn, match: notice.test(pattern) ? () => false : matcher(pattern) };
      listeners = [...listeners, own];
      kept = true;
      Promise.resolve().then(start);
      return () => { listeners = listeners.filter(l => l !== own); };
    },

    off(pattern, fn) { listeners = listeners.filter(l => l.pattern !== pattern || fn && l.fn !== fn); },

    stream(name, { signal, ...range } = {}) {
      // All but the signal. With a wrong one, the whole log would be read.
      spell(range, "from,after,to,limit,types,channels,until", true);
      const cut = child(closing.signal), end = () => cut.abort();
      if (signal) onAbort(signal, end, cut);
      const all = async function* () {
        let left = range.limit; // after a reconnect the gateway counts from 0
        try {
          for await (const e of events(name, range, cut.signal)) {
            yield e;
            if (left && !--left) return;
          }
        } finally {
          end();
        }
      }();
      for (const how of /** @type {("return" | "throw")[]} */ (["return", "throw"])) {
        const settle = all[how].bind(all);
        all[how] = (/** @type {any} */ v) => {
          end(); // otherwise it would wait for the next event
          return settle(v);
        };
      }
      return all;
    },
  };
}
