// What a program in TypeScript sees; tsc alone reads this.
import { connect, parser, type Event, type Failure } from "../public/sdk/sluice.js";

interface Customer { id: number; name: string }

export async function use() {
  const rt = connect("https://host", { token: async () => "a.b.c", channels: ["PUT:customer"], shared: false, pingTimeout: 1000 });
  const end: () => void = rt.on<Customer>("PUT:customer", e => e.data.name.toUpperCase() + e.id.length);
  rt.on("gap", gap => gap.reason === "lost" && gap.oldest?.length);
  rt.on("live", () => {});
  rt.on("error", (e: Failure) => e.status === 403);
  rt.on("disconnect", ({ reason, delay }) => reason.length + (delay ?? 0));
  // @ts-expect-error: there is no such state
  rt.state === "opened";
  // @ts-expect-error: it cannot be set
  rt.state = "open";
  // @ts-expect-error: a gap has no data
  rt.on("gap", gap => gap.data);
  for await (const e of rt.stream<Customer>("orders", { after: "earliest", until: "caught-up", types: ["a"], limit: 5 })) {
    const event: Event<Customer> = e;
    event.data.id.toFixed();
  }
  const id: string = await rt.publish("boing", { a: 1 }, { collection: "c", stream: "s", expect: 0, idempotencyKey: "k", timeout: 1000 });
  const gone: string = await rt.retract(id, { timeout: 1000 });
  connect("https://host", { credentials: "include", echo: false }).on<{ id: string }>("retract", e => e.data.id === gone);
  // @ts-expect-error: fetch has no such value
  connect("https://host", { credentials: "all" });
  const cut = new AbortController(), tail = rt.stream<Customer>(null, { signal: cut.signal });
  const last: IteratorResult<Event<Customer>, void> = await tail.return();
  if (!last.done) last.value.data.name.trim();
  const code: string = await tail.next().then(() => "", (e: Failure) => e.code);
  // @ts-expect-error: a stream gives nothing at its end
  (await tail.return()).value.id;
  connect(new URL("https://host"), { token: () => undefined, timeout: 1000 }).on("disconnect", d => (d.code ?? code).length);
  // @ts-expect-error: the option is apikey
  connect("https://host", { apiKey: "k" });
  // @ts-expect-error: a token is a text
  connect("https://host", { token: () => 1 });
  // @ts-expect-error: no such option
  await rt.publish("boing", {}, { colection: "c" });
  // @ts-expect-error: no such option
  connect("", { key: "k" });
  const unset = undefined as string | undefined, none = undefined as number | undefined; // as of an environment
  connect("https://host", { apikey: unset, token: unset, channels: undefined, lastEventId: unset, shared: undefined, queue: none, fetch: undefined });
  rt.stream("orders", { from: unset, until: unset, types: undefined, limit: none, signal: undefined });
  await rt.publish("boing", 1, { collection: unset, expect: none, timeout: none, space: unset });
  await rt.retract(id, { idempotencyKey: unset });
  end();
  rt.off("*");
  rt.close();
  return parser(id).push(new Uint8Array()).map(f => f.type + f.data + f.id);
}
