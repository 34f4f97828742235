export const forever = 2 ** 31 - 1; // the longest time of a timer, in ms

/** @type {(signal: AbortSignal, fn: () => void, options?: AddEventListenerOptions) => void} */
export const onAbort = (signal, fn, options) => signal.aborted ? fn() : signal.addEventListener("abort", fn, options);

/** child makes a controller that is aborted with its parent, and after ms. @param {AbortSignal} parent @param {number} [ms] @param {any} [reason] */
export function child(parent, ms, reason) {
  const cut = new AbortController();
  if (ms !== undefined) {
    const timer = setTimeout(() => cut.abort(reason), Math.min(ms, forever));
    onAbort(cut.signal, () => clearTimeout(timer));
  }
  onAbort(parent, () => cut.abort(parent.reason), cut);
  return cut;
}

/** race waits for p, but no longer than the signal allows; p may ignore the signal. @type {<T>(signal: AbortSignal, p: Promise<T>) => Promise<T>} */
export const race = (signal, p) => new Promise((done, fail) => {
  onAbort(signal, () => fail(signal.reason));
  p.then(done, fail);
});

/**
 * pause returns how long to wait: at most a second after a lost connection (no failure yet), then the gateway's retry, then
 * longer each time. It is random, so that not all clients come back together.
 */
export function pause(failures = 0, retry = 0, after = 0) {
  const spread = Math.random();
  if (!failures && (!retry || retry > 1000)) return 1000 * spread;
  const longer = failures > 1 || !retry ? Math.min(30_000, 250 * 2 ** failures) * (0.5 + spread / 2) : 0;
  return Math.max(after, retry, longer) * (1 + spread / 5);
}
