// What the hooks show: the newest events of channels, and the entries of a stream.

/** @import { Connection, Event, Failure, Notices, Range } from "../sluice.js" */
/** @import { ChannelView, StreamView } from "../react.js" */
/** @import { Begin } from "./shared.js" */

const failures = /** @type {WeakMap<Connection, Failure>} */ (new WeakMap());
const nothing = () => {};

/**
 * watch calls show when the connection's state changes, and report for each gap. It needs the live stream.
 * @param {Connection} rt @param {() => void} show @param {(gap: Notices["gap"]) => void} report
 */
function watch(rt, show, report) {
  const ends = [
    ...(/** @type {const} */ (["connect", "reconnect", "disconnect"])).map(notice => rt.on(notice, show)),
    rt.on("error", e => {
      failures.set(rt, e);
      show();
    }),
    rt.on("gap", gap => {
      report(gap);
      show();
    }),
  ];
  return () => ends.forEach(end => end());
}

/** without drops the entry that a retraction took out of the log. @param {Event[]} list @param {Event} retraction */
const without = (list, { data }) => list.filter(e => e.id !== data?.id);

// connecting is what a connection does that somebody looks at: it opens by itself.
const state = (/** @type {Connection} */ rt) => rt.state === "idle" ? "connecting" : rt.state;

/** @type {Begin<ChannelView>} */
export function watchChannels(rt, key, show) {
  const { channels, last } = JSON.parse(key);
  let events = /** @type {Event[]} */ ([]), newest = /** @type {Event?} */ (null), gap = /** @type {Notices["gap"] | undefined} */ (undefined);
  const ends = /** @type {(() => void)[]} */ ([]);
  const end = () => ends.forEach(end => end());
  try {
    ends.push(rt.on("retract", e => {
      events = without(events, e);
      show();
    }));
    for (const channel of channels) ends.push(rt.on(channel, e => {
      if (e === newest) return; // it matches two of the channels
      newest = e;
      events = [...events, e].slice(-last);
      show();
    }));
  } catch (e) {
    end();
    throw e;
  }
  ends.push(watch(rt, show, g => { if (g.stream === undefined) gap = g; }));
  return { end, see: () => ({ event: events.at(-1), events, status: state(rt), error: failures.get(rt), gap }) };
}

/** @type {Begin<StreamView>} */
export function watchStream(rt, key, show) {
  const { name, last, limit = last ? undefined : 1000, ...range } = JSON.parse(key);
  const endless = range.to === undefined && range.until === undefined;
  const begins = last ? { from: -last } : { from: range.from, after: range.after };
  const cut = new AbortController();
  let list = /** @type {Event[]} */ ([]), copied = /** @type {Event[]?} */ (null), room = limit ?? Infinity;
  let phase = /** @type {StreamView["status"]} */ ("loading"), position = "";
  let error = /** @type {Failure | undefined} */ (undefined), gap = /** @type {Notices["gap"] | undefined} */ (undefined);
  const unwatch = endless ? watch(rt, show, g => { if (g.stream == null || g.stream === name) gap = g; }) : nothing;

  /** read takes the events of a range, and returns false if there are more than have room. @param {Range} from */
  async function read(from) {
    for await (const e of rt.stream(name, { ...range, from: undefined, after: undefined, ...from, signal: cut.signal })) {
      if (!room) return false;
      position = e.id;
      copied = null;
      if (e.event === "retract") {
        const left = without(list, e);
        room += list.length - left.length;
        list = left;
      }
      list.push(e);
      room--;
      if (last && list.length > last) list.shift();
      show();
    }
    return true;
  }

  async function run() {
    try {
      phase = "loading";
      // A start at now has no past. Else the past ends with the stream's end of now, so that we know when all is here.
      const past = begins.from !== "now" && begins.after !== "now";
      const on = () => position ? { after: position } : last || /^-/.test(begins.from ?? "") ? { after: "earliest" } : begins;
      const page = endless && limit ? { limit: room + 1 } : {}; // no more than needed on the way
      let whole = !past || await read({ until: "caught-up", ...range, ...page, ...(position ? { after: position } : begins) });
      if (whole && endless && !cut.signal.aborted) {
        phase = "live";
        show();
        whole = await read(on());
        if (whole && !cut.signal.aborted) phase = "closed"; // close() was called
      } else phase = "ended";
      if (!whole) phase = "paused";
    } catch (e) {
      error = /** @type {Failure} */ (e);
      phase = "closed";
    }
    show();
  }
  run();

  const more = () => {
    if (phase !== "paused") return;
    room += limit;
    run();
    show();
  };
  /** @returns {StreamView["status"]} */
  const status = () => {
    const is = state(rt);
    if (!endless || phase !== "loading" && phase !== "live" || is === "open" || is === "connecting" && phase === "loading") return phase;
    return is;
  };
  return {
    see: () => ({ entries: copied ??= [...list], status: status(), error, gap, more }),
    end() {
      cut.abort();
      unwatch();
    },
  };
}
