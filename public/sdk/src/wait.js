export const forever = 2 ** 31 - 1; // a timer's longest

/** @type {(signal: AbortSignal, fn: () => void, options?: AddEventListenerOptions) => void} */
export const onAbort = (signal, fn, options) => signal.aborted ? fn() : signal.addEventListener("abort", fn, options);

/** child is aborted with its parent, and after ms. @param {AbortSignal} parent @param {number} [ms] @param {any} [reason] */
export function child(parent, ms, reason) {
  const cut = new AbortController();
  if (ms !== undefined) {
    const timer = setTimeout(() => cut.abort(reason), Math.min(ms, forever));
    onAbort(cut.signal, () => clearTimeout(timer));
  }
  onAbort(parent, () => cut.abort(parent.reason), cut);
  return cut;
}

/** race leaves what does not heed its signal. @type {<T>(signal: AbortSignal, p: Promise<T>) => Promise<T>} */
export const race = (signal, p) => new Promise((done, fail) => {
  onAbort(signal, () => fail(signal.reason));
  p.then(done, fail);
});

/** backoff is spread, so that not all come back together. @type {(failures: number) => number} */
export const backoff = failures => Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);

/** pause is how long to wait: after a cut (no failure yet) at most a second, then the gateway's retry, then longer. */
export function pause(failures = 0, retry = 0, after = 0) {
  if (!failures && (!retry || retry > 1000)) return 1000 * Math.random();
  return Math.max(after, retry, failures > 1 || !retry ? backoff(failures - 1) : 0) * (1 + Math.random() / 5);
}
