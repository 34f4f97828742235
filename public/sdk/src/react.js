"use client"; // hooks do not run on a server that renders; frameworks read these words
// The hooks for React. Their documentation is in ../react.d.ts. go generate ./public makes ../react.js of this source.
import { createContext, createElement, useCallback, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { connect } from "./sluice.js";
import { find, share } from "./shared.js";
import { watchChannels, watchStream } from "./watch.js";

/** @import { Connection, Options } from "../sluice.js" */
/** @import { ChannelView, StreamView } from "../react.js" */
/** @import { Begin } from "./shared.js" */

const Context = createContext(/** @type {Connection?} */ (null));
const rendersHere = () => typeof window !== "undefined";
const nothing = () => {};

// What is shown before anything began. One value each, because React compares them.
const none = Object.freeze(/** @type {any[]} */ ([]));
const channels = (/** @type {ChannelView["status"]} */ status) => Object.freeze({ event: undefined, events: none, status, error: undefined, gap: undefined });
const stream = (/** @type {StreamView["status"]} */ status) => Object.freeze({ entries: none, status, error: undefined, gap: undefined, more: nothing });
const before = { channels: channels("connecting"), stream: stream("loading") };
const disabled = { channels: channels("idle"), stream: stream("idle") };

/**
 * own makes the connection of a provider. It is closed when nobody holds it, but a moment later, because React's strict mode
 * leaves and comes back at once. @param {string | URL} url @param {Options} [options]
 */
function own(url, options) {
  const here = rendersHere(), rt = connect(here ? url : new URL(url || "/", "http://server.invalid"), options);
  if (!here) rt.close(); // a server that renders sends nothing, and must not keep anything of it
  let holders = 0;
  /** @param {number} [ms] */
  const leave = ms => {
    const timer = /** @type {any} */ (setTimeout(() => { if (!holders) rt.close(); }, ms));
    timer.unref?.(); // it holds no process of Node
  };
  leave(60_000); // React may throw away what it rendered
  return {
    url: String(url), rt,
    hold() {
      holders++;
      return () => {
        holders--;
        leave();
      };
    },
  };
}

/** @type {typeof import("../react.js").SluiceProvider} */
export function SluiceProvider({ connection, url = "", options, children }) {
  const [made, make] = useState(() => connection ? null : own(url, options));
  let is = made;
  if (!connection && is?.url !== String(url)) make(is = own(url, options));
  useEffect(() => {
    if (!is) return;
    if (is.rt.state !== "closed") return is.hold();
    make(own(url, options)); // it was hidden, and is shown again
  }, [is]);
  return createElement(Context.Provider, { value: connection ?? /** @type {any} */ (is).rt }, children);
}

/** @param {Connection} [connection] */
function useGiven(connection) {
  const provided = useContext(Context), rt = connection ?? provided;
  if (!rt) throw Error("no connection: put the component into a <SluiceProvider>, or pass the option connection");
  return rt;
}

/** @type {typeof import("../react.js").useConnection} */
export const useConnection = () => useGiven();

/**
 * useShared shows a source that all components with the same key share.
 * @template {keyof typeof before} K
 * @param {K} kind @param {Begin<any>} begin @param {any} what @param {boolean} enabled @param {Connection} [connection]
 */
function useShared(kind, begin, what, enabled, connection) {
  const rt = useGiven(connection), text = JSON.stringify(what), key = kind + text;
  const subscribe = useCallback(
    (/** @type {() => void} */ fn) => enabled ? share(rt, key, (rt, key, show) => begin(rt, key.slice(kind.length), show)).subscribe(fn) : nothing,
    [rt, key, enabled],
  );
  const first = enabled ? before[kind] : disabled[kind];
  return useSyncExternalStore(subscribe, () => enabled && find(rt, key)?.seen || first, () => first);
}

/** @type {typeof import("../react.js").useChannel} */
export function useChannel(channels, { last = 100, connection, enabled = channels !== undefined } = {}) {
  return useShared("channels", watchChannels, { channels: [channels].flat(), last }, enabled, connection);
}

/** @type {typeof import("../react.js").useStream} */
export function useStream(name, { connection, enabled = name !== undefined, ...range } = {}) {
  return useShared("stream", watchStream, { name, ...range }, enabled, connection);
}
