// What a program in TypeScript sees of the hooks; tsc alone reads this.
import { connect, type Event } from "sluice-client";
import { SluiceProvider, useChannel, useConnection, useStream, type StreamOptions, type StreamView } from "sluice-client/react";

interface Order { total: number }

export function Orders({ of, count }: { of: string | undefined; count?: number }) {
  const { event, events, status, error, gap } = useChannel<Order>(["PUT:order", "boing"], { last: 10 });
  const rt = useConnection();
  const options: StreamOptions = { last: count, types: ["put"], from: new Date(0), enabled: status !== "closed" };
  const orders: StreamView<Order> = useStream<Order>(of, options);
  const whole = useStream(null, { limit: 20, connection: rt });
  // @ts-expect-error: the entries are read only
  orders.entries.push(event!);
  // @ts-expect-error: there is no such status
  orders.status === "finished";
  // @ts-expect-error: no such option
  useChannel("boing", { lst: 1 });
  // @ts-expect-error: a stream that ends is not ended by a signal
  useStream("x", { signal: new AbortController().signal });
  const total: number = events.reduce((sum, e: Event<Order>) => sum + e.data.total, event?.data.total ?? 0);
  return (
    <button disabled={orders.status !== "paused"} onClick={() => void rt.publish("boing", total).then(() => whole.more())}>
      {total} {error?.code} {gap?.reason} {orders.entries.map(e => <b key={e.id}>{e.data.total.toFixed()}</b>)}
    </button>
  );
}

const rt = connect("https://host");
export const pages = [
  <SluiceProvider connection={rt}><Orders of="orders" /></SluiceProvider>,
  <SluiceProvider url="https://host" options={{ token: async () => "a.b.c" }} key="ada"><Orders of={undefined} /></SluiceProvider>,
  <SluiceProvider><Orders of="orders" count={3} /></SluiceProvider>,
  // @ts-expect-error: one or the other
  <SluiceProvider url="https://host" connection={rt} />,
];
