// The types of sluice.js, the gateway's client. It sends all requests with fetch, so credentials are in headers, never in a
// URL. It spreads reconnects in time, so that clients that were cut together do not come back together.

/** An event as it was published. */
export interface Event<T = any> {
  /** its position in the log: an increasing integer, in decimal */
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
  apikey?: string | undefined;
  /**
   * A JWT, or a function that returns one. The client calls the function before the last token expires, and again after the
   * gateway refused a token. The function may take ten seconds. If it throws or returns no token, the client calls it again,
   * with longer and longer pauses. "", null or undefined means that nobody is signed in. All tokens must be of the same user:
   * close the connection when another user signs in.
   */
  token?: string | (() => Token | Promise<Token>) | undefined;
  /** narrows what the credential may see; all of it by default. At most 1,000. A list that is too long for an address is sent ahead, by POST */
  channels?: string[] | undefined;
  /** `include` sends cookies to a gateway of another origin; as for fetch */
  credentials?: "include" | "omit" | "same-origin" | undefined;
  /**
   * false: the connection does not get what it publishes itself, unless it has reconnected meanwhile, or was not open yet. Then it
   * is of one tab alone (`shared` is false), as the other tabs get everything.
   */
  echo?: boolean | undefined;
  /** the `lastEventId` of an earlier connection, to continue after it; by default the stream starts now */
  lastEventId?: string | undefined;
  /** one connection for all tabs of an origin; by default true if the browser supports it */
  shared?: boolean | undefined;
  /** milliseconds without a byte after which the client reconnects; by default derived from the gateway's pings */
  pingTimeout?: number | undefined;
  /** how many events may wait to be published; 1000 by default */
  queue?: number | undefined;
  /** milliseconds that a publish may take, from its call; 60,000 by default */
  timeout?: number | undefined;
  /** a replacement for the global fetch */
  fetch?: typeof fetch | undefined;
}

/** A refusal or a failure. If the gateway answered, `status`, `code` and `last` are those of its answer. */
export interface Failure extends Error {
  status?: number;
  /** a stable code: one of the gateway, such as `forbidden` or `expect_failed`, or one from the list in docs/javascript.md */
  code: string;
  /** the last id of the stream, if `expect` did not match it */
  last?: string;
  /** true if a repeat cannot succeed */
  final?: boolean;
  /** milliseconds to wait, if the gateway asked for that; at most a minute */
  after?: number;
}

export type State = "idle" | "connecting" | "open" | "waiting" | "offline" | "closed";

/** What `on` accepts besides channels. */
export interface Notices {
  /** the stream is open, for the first time or again */
  connect: { id: string };
  /** the stream was cut, or could not be opened; the next attempt is after `delay` milliseconds, or when the network is back */
  disconnect: { reason: string; code?: string; status?: number; delay?: number };
  /** the next attempt begins */
  reconnect: {};
  /** events were missed, and the log no longer has them */
  gap: { reason: "expired" | "lost" | "unknown"; after?: string; oldest?: string; stream?: string };
  /** everything missed has arrived; once after each `connect` */
  live: {};
  /** the credential ended or changed; the stream reconnects with the grant of now */
  expired: { reason: "exp" | "revoked" | "changed" };
  /** the gateway refused, and a repeat cannot succeed; the connection is closed */
  error: Failure;
}

/** A position in the log: an id, a time, `earliest`, `now`, or `-N` for the last N events. */
export type Position = string | number | Date;

export interface Range {
  from?: Position | undefined;
  after?: Position | undefined;
  to?: Position | undefined;
  /** also `caught-up`: the stream ends at the end of the past */
  until?: Position | undefined;
  types?: string[] | undefined;
  limit?: number | undefined;
  channels?: string[] | undefined;
  /** ends the stream, as `return()` does */
  signal?: AbortSignal | undefined;
}

export interface RetractOptions {
  /** a key of your own, so that the gateway recognizes a repeat by your program too */
  idempotencyKey?: string | undefined;
  /** milliseconds that the call may take; by default the connection's `timeout` */
  timeout?: number | undefined;
}

export interface PublishOptions extends RetractOptions {
  collection?: string | undefined;
  stream?: string | undefined;
  /** the last id that the stream must have; 0: the stream must be empty */
  expect?: string | number | undefined;
  /** a space that the credential names, such as `$db/NAME` */
  space?: string | undefined;
}

export interface Connection {
  readonly state: State;
  /** the position up to which everything was dispatched */
  readonly lastEventId: string;
  /** Calls fn for each notice. The first call of `on` opens the stream. Returns a function that removes the listener. */
  on<K extends keyof Notices>(notice: K, fn: (e: Notices[K]) => void): () => void;
  /** Calls fn for each event of a channel: `PUT:customer`, `boing`, `*:customer`, `chat-*`, `*`. An event named as a notice matches only `*`. */
  on<T = any>(channel: string, fn: (e: Event<T>) => void): () => void;
  /** Removes a listener of `on`; without fn, all listeners of that name. */
  off(channel: string, fn?: (e: any) => void): void;
  /**
   * Reads a stream (or, without a name, the whole log) from its beginning or from the start of the range, and then live.
   * `return()` ends it at once. A `next()` that waits then returns `done`.
   */
  stream<T = any>(name?: string | null, range?: Range): AsyncGenerator<Event<T>, void, undefined>;
  /** Stores an event once, and returns its id. Events are stored in the order of the calls. */
  publish(name: string, data?: unknown, options?: PublishOptions): Promise<string>;
  /**
   * Takes an event out of the log, and returns the id of the event `retract` that reports it. Subscribers get that as an event:
   * `on("retract", e => e.data.id)`. It waits for the publishes before it.
   */
  retract(id: string, options?: RetractOptions): Promise<string>;
  close(): void;
}

/** Makes a connection to the gateway at url, which may have a path prefix. It sends nothing before `on`, `stream` or `publish`. */
export function connect(url: string | URL, options?: Options): Connection;

/** A frame of an event stream. */
export interface Frame {
  type: string;
  data: string;
  id: string;
}

/** Parses an event stream from chunks of any size. `id` is the last id of the earlier connection. */
export function parser(id?: string): { push(bytes: Uint8Array): Frame[]; retry?: number };
