// The types of react.js: hooks for React 18 and later.
import type { ReactElement, ReactNode } from "react";
import type { Connection, Event, Failure, Notices, Options, Range, State } from "./sluice.js";

/** A connection that you made, and close yourself; or where to connect, by default to the page's own host. The provider closes a connection of its own at its end. */
export type ProviderProps = { children?: ReactNode } & (
  | { connection: Connection; url?: never; options?: never }
  | { url?: string | URL | undefined; options?: Options | undefined; connection?: never }
);

/**
 * Gives a connection to all components in it. Another `url` makes another connection. `options` are read when the connection is
 * made: give the provider another `key` to connect with other ones, such as for another user.
 */
export function SluiceProvider(props: ProviderProps): ReactElement;

/** The connection of the provider, to publish with. */
export function useConnection(): Connection;

export interface HookOptions {
  /** by default that of the provider */
  connection?: Connection | undefined;
  /** false: nothing is read; by default true */
  enabled?: boolean | undefined;
}

export interface ChannelOptions extends HookOptions {
  /** how many of the newest events stay; 100 by default */
  last?: number | undefined;
}

export interface ChannelView<T = any> {
  /** the newest event */
  readonly event: Event<T> | undefined;
  /** the newest events since the first component shows these channels, the oldest first; a retraction removes its event */
  readonly events: readonly Event<T>[];
  /** the connection's state; `idle` with `enabled: false` */
  readonly status: State;
  /** why the gateway refused; the connection is closed then */
  readonly error: Failure | undefined;
  /** the last report that events are missing: load again what you made of them */
  readonly gap: Notices["gap"] | undefined;
}

/** Shows the events of one or more channels from now on: `boing`, `PUT:customer`, `*:customer`, `*`. With undefined, nothing. */
export function useChannel<T = any>(channels: string | readonly string[] | undefined, options?: ChannelOptions): ChannelView<T>;

export interface StreamOptions extends HookOptions, Pick<Range, "from" | "after" | "to" | "until" | "types" | "channels"> {
  /** begins with the newest entries, and keeps only that number. Without it, the stream is read from its beginning */
  last?: number | undefined;
  /** how many entries to read until `more()` is called; without `last` 1,000 by default */
  limit?: number | undefined;
}

export interface StreamView<T = any> {
  /** the oldest first; a retraction removes its entry */
  readonly entries: readonly Event<T>[];
  /**
   * `loading`: the past is being read. `live`: all is here, and new entries follow. `paused`: there are more than `limit`; call
   * `more()`. `ended`: the range is over. `connecting`, `waiting`, `offline`, `closed`: the connection's state; it continues by
   * itself, unless it is closed. `idle`: `enabled` is false.
   */
  readonly status: "loading" | "live" | "paused" | "ended" | State;
  /** why the gateway refused */
  readonly error: Failure | undefined;
  /** the last report that entries are missing */
  readonly gap: Notices["gap"] | undefined;
  /** reads `limit` entries more */
  readonly more: () => void;
}

/** Shows the entries of a stream, or, with null, of the whole log: the past, and then what comes. With undefined, nothing. */
export function useStream<T = any>(name: string | null | undefined, options?: StreamOptions): StreamView<T>;
