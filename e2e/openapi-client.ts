// A client whose types are generated from /openapi.json and /asyncapi.json: openapi.test.mjs compiles and runs it.
import createClient from "openapi-fetch";
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { components } from "./asyncapi.js";
import type { paths } from "./openapi.js";

type Frames = components["schemas"];

export const connect = (baseUrl: string, key: string) => createClient<paths>({
  baseUrl, headers: { "x-apikey": key }, querySerializer: { array: { style: "form", explode: false } },
});
type Client = ReturnType<typeof connect>;

export async function publish(client: Client, event: string, data: unknown): Promise<string> {
  const { data: stored, error } = await client.POST("/realtime", { body: { event, data } });
  if (error) throw new Error(`${error.code}: ${error.message}`);
  if (!("id" in stored)) throw new Error("one event has one id");
  return stored.id;
}

// subscribe yields init, and then the events of the channels.
export async function* subscribe(client: Client, channels: string[], signal: AbortSignal): AsyncGenerator<Frames["Init"] | Frames["Event"]> {
  const { data, error } = await client.GET("/realtime", { params: { query: { channels } }, headers: { Accept: "text/event-stream" }, parseAs: "stream", signal });
  if (error) throw new Error(`${error.code}: ${error.message}`);
  for await (const frame of data!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()) as unknown as AsyncIterable<{ event?: string; data: string }>) {
    if (frame.event === "ping") continue;
    yield frame.event ? JSON.parse(frame.data) as Frames["Event"] : JSON.parse(frame.data) as Frames["Init"];
  }
}

// makeKey uses the administrator's API.
export async function makeKey(client: Client, name: string): Promise<string> {
  const { data, error, response } = await client.POST("/admin/keys", { body: { name, sub: ["chat-*"], pub: ["chat-*"] } });
  if (error) throw new Error(`${response.status} ${error.code}`);
  return data.key;
}

// largest returns the credential with most connections. The type of the answer is that of connections and of groups.
export async function largest(client: Client): Promise<string> {
  const { data, error } = await client.GET("/admin/connections", { params: { query: { group: "key", limit: 1 } } });
  if (error) throw new Error(`${error.code}: ${error.message}`);
  const first = data[0];
  if (!first || !("group" in first)) throw new Error("there is no group");
  return first.name;
}

// newest returns the newest event of the log, and who has published it.
export async function newest(client: Client): Promise<{ line: Frames["Line"]; who?: string }> {
  const { data, error } = await client.GET("/admin/events", { params: { query: { from: "-1", until: "caught-up" } }, headers: { Accept: "application/x-ndjson" }, parseAs: "text" });
  if (error) throw new Error(`${error.code}: ${error.message}`);
  const line = JSON.parse(data) as Frames["Line"];
  const way = await client.GET("/admin/events/{id}", { params: { path: { id: line.id } } });
  return { line, who: way.data?.published?.who };
}

// What the types refuse: tsc alone reads this.
export async function refused(client: Client) {
  // @ts-expect-error: an event has a name
  await client.POST("/realtime", { body: { data: 1 } });
  // @ts-expect-error: there is no such path
  await client.GET("/realtimes");
  // @ts-expect-error: a room has a name
  await client.GET("/room/{room}/presence", {});
  const { error } = await client.DELETE("/realtime", { params: { query: { id: "1" } } });
  // @ts-expect-error: there is no such code
  return error?.code === "not_there";
}
