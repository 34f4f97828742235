// What sluice.js, the gateway's client, gives. All goes through fetch, so that credentials travel in headers, never in
// an address. Reconnects are spread, since those who were cut together must not come back together.

/** An event as it was published. */
export interface Event<T = any> {
  /** its place in the log: an increasing integer, in decimal */
  id: string;
  /** `post`, `put`, `delete`, or the name of a custom event */
  event: string;
  collection?: string;
  stream?: string;
  data: T;
}

export type Token = string | null | undefined;

export interface Options {
  /** an API key */
  apikey?: string;
  /**
   * a JWT, or a function that gives one: it is asked before the last one expires, and again when that was refused. It has
   * ten seconds; where it throws or gives no token it is asked again, later each time. An empty text, null or undefined
   * means that nobody is logged in. It is always the same user's; close the connection when another one signs in.
   */
  token?: string | (() => Token | Promise<Token>);
  /** narrows what the credential may see; all of it by default */
  channels?: string[];
  /** where to go on from, as `lastEventId` of an earlier connection; now by default */
  lastEventId?: string;
  /** one connection for all tabs of an origin; true where the browser can */
  shared?: boolean;
  /** reconnect after so many milliseconds without a byte; learned from the pings by default */
  pingTimeout?: number;
  /** how many events may wait to be published; 1000 by default */
  queue?: number;
  /** how many milliseconds a publish may take, from its call; 60,000 by default */
  timeout?: number;
  /** what to use in place of the global fetch */
  fetch?: typeof fetch;
}

/** A refusal or a failure; `status`, `code` and `last` are those of the gateway's answer, where there was one. */
export interface Failure extends Error {
  status?: number;
  /** a stable word: the gateway's, as `forbidden` or `expect_failed`, or one that docs/javascript.md lists */
  code: string;
  /** the last id of the stream, where `expect` did not hold */
  last?: string;
  /** whether no repeat can help */
  final?: boolean;
  /** milliseconds to wait, where the gateway said so; a minute at most */
  after?: number;
}

export type State = "idle" | "connecting" | "open" | "waiting" | "offline" | "closed";

/** What can be listened to beside channels. */
export interface Notices {
  /** the stream is open, for the first time or again */
  connect: { id: string };
  /** it was cut, or could not be opened; the next attempt comes after `delay` milliseconds, or with the network */
  disconnect: { reason: string; code?: string; status?: number; delay?: number };
  /** the next attempt begins */
  reconnect: {};
  /** events were missed that nobody can give back */
  gap: { reason: "expired" | "lost" | "unknown"; after?: string; oldest?: string; stream?: string };
  /** all that was missed has come; after each `connect` */
  live: {};
  /** the credential ended or changed; the stream comes back with what holds now */
  expired: { reason: "exp" | "revoked" | "changed" };
  /** the gateway refused for good; the connection is closed */
  error: Failure;
}

/** A place in the log: an id, a time, `earliest`, `now`, or `-N` for the last N events. */
export type Position = string | number | Date;

export interface Range {
  from?: Position;
  after?: Position;
  to?: Position;
  /** also `caught-up`: where the past ends */
  until?: Position;
  types?: string[];
  limit?: number;
  channels?: string[];
  /** ends the stream, as `return()` does */
  signal?: AbortSignal;
}

export interface PublishOptions {
  collection?: string;
  stream?: string;
  /** what the stream's last id must be; 0: there must be none yet */
  expect?: string | number;
  /** a space that the credential names, as `$db/NAME` */
  space?: string;
  /** a key of your own, so that a repeat by your program is known as well */
  idempotencyKey?: string;
  /** how many milliseconds it may take, from the call; by default the connection's `timeout` */
  timeout?: number;
}

export interface Connection {
  readonly state: State;
  /** the position up to which everything was dispatched */
  readonly lastEventId: string;
  /** calls fn for each notice; the first call of `on` opens the stream. Returns what ends it. */
  on<K extends keyof Notices>(notice: K, fn: (e: Notices[K]) => void): () => void;
  /** calls fn for each event of a channel: `PUT:customer`, `boing`, `*:customer`, `chat-*`, `*`; one named as a notice is only under `*` */
  on<T = any>(channel: string, fn: (e: Event<T>) => void): () => void;
  /** ends what `on` began; without fn for all listeners of that name */
  off(channel: string, fn?: (e: any) => void): void;
  /**
   * reads a stream (or, without a name, the whole log) from its beginning or where the range says, then live.
   * `return()` ends it at once, also while `next()` waits, which then is done.
   */
  stream<T = any>(name?: string | null, range?: Range): AsyncGenerator<Event<T>, void, undefined>;
  /** stores an event, once, and gives its id; events are stored in the order of the calls */
  publish(name: string, data?: unknown, options?: PublishOptions): Promise<string>;
  close(): void;
}

/** Makes a connection to the gateway at url, which may have a path prefix. Nothing is sent before `on`, `stream` or `publish`. */
export function connect(url: string | URL, options?: Options): Connection;

/** A frame of an event stream. */
export interface Frame {
  type: string;
  data: string;
  id: string;
}

/** Reads an event stream, cut into chunks anywhere; `id` is the last id of the connection before. */
export function parser(id?: string): { push(bytes: Uint8Array): Frame[]; retry?: number };
