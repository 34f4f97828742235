// What several components show of one connection: they share a source, and see the same of it at the same time.

/** @import { Connection } from "../sluice.js" */
/**
 * A source begins when the first component shows it. show() says that there is something new to see.
 * @template S
 * @typedef {{ see: () => S, end: () => void }} Source
 */
/** @template S @typedef {(rt: Connection, key: string, show: () => void) => Source<S>} Begin */
/** @typedef {{ seen: any, subscribe: (fn: () => void) => () => void }} Shared */

/** @type {WeakMap<Connection, Map<string, Shared>>} */
const all = new WeakMap();

/** find returns what is shown under a key now. @param {Connection} rt @param {string} key */
export const find = (rt, key) => all.get(rt)?.get(key);

/**
 * share returns what is shown under a key, and begins it if nobody shows it yet. Who calls it must subscribe: the last one who
 * leaves ends it, but only a moment later, because React's strict mode leaves and comes back at once.
 * @template S @param {Connection} rt @param {string} key @param {Begin<S>} begin
 */
export function share(rt, key, begin) {
  const known = find(rt, key);
  if (known) return known;
  const mine = all.get(rt) ?? new Map(), listeners = new Set();
  let timer = /** @type {any} */ (0), over = false;
  const show = () => { // a burst of events is one change, which components show once
    if (!over) timer ||= setTimeout(() => {
      timer = 0;
      shared.seen = source.see();
      for (const fn of [...listeners]) fn();
    });
  };
  const source = begin(rt, key, show);
  const shared = {
    seen: source.see(),
    subscribe(/** @type {() => void} */ fn) {
      const own = () => fn();
      listeners.add(own);
      return () => {
        listeners.delete(own);
        setTimeout(() => {
          if (over || listeners.size) return;
          over = true;
          clearTimeout(timer);
          mine.delete(key);
          source.end();
        });
      };
    },
  };
  all.set(rt, mine.set(key, shared));
  return shared;
}
