// The small web server of the examples: the files of a folder, and routes that answer with JSON.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const shared = ["style.css", "call.js", "show.js"]; // are in this folder
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

// For a page, if the gateway answers 401 or 403 to this server. The usual cause, while one tries out several examples, is a
// gateway that still runs.
const refused = "The gateway refuses the key of this server. Is it the gateway of another example? Stop that one, and start the one of this example's README.";

// gatewayError is an error with the status of the gateway's answer.
export const gatewayError = (what, status, message) => Object.assign(new Error(`${what}: ${status} ${message}`), { status });

// Refusal is an error that the page may see.
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// serve listens until the process ends. A route is a function of the request's JSON and of the request, and returns the answer's JSON.
export function serve(folder, routes, port = process.env.PORT ?? 8000) {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    try {
      const route = routes[`${request.method} ${pathname}`];
      if (!route) return await file(folder, request, response);
      const input = request.method === "POST" ? await body(request) : Object.fromEntries(searchParams);
      const answer = await route(input, request, response);
      response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(answer ?? {}));
    } catch (e) {
      if (!(e instanceof Refusal)) console.error(e);
      const [status, message] = e instanceof Refusal ? [e.status, e.message] : [502, e.status === 401 || e.status === 403 ? refused : "this did not work; the server's log has the reason"];
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ message }));
    }
  });
  server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
}

// atLast calls f until it succeeds: the gateway may start later than this server.
export async function atLast(f) {
  for (;;) {
    try {
      return await f();
    } catch (e) {
      console.error(`trying again: ${e.cause?.message ?? e.message}`);
      await sleep(1000);
    }
  }
}

async function file(folder, request, response) {
  const name = basename(new URL(request.url, "http://x").pathname) || "index.html", type = types[extname(name)];
  try {
    if (!type || request.method !== "GET") throw new Error("not a file of the page");
    const path = shared.includes(name) ? join(import.meta.dirname, name) : join(folder, name);
    response.writeHead(200, { "Content-Type": type }).end(await readFile(path));
  } catch {
    throw new Refusal(404, "there is nothing here");
  }
}

// body is the JSON of a request. A page of another site cannot send this type without asking first, so it cannot act for a visitor.
async function body(request) {
  if (!request.headers["content-type"]?.startsWith("application/json")) throw new Refusal(415, "send application/json");
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > 100_000) throw new Refusal(413, "this is too long");
  }
  try {
    return JSON.parse(text) ?? {};
  } catch {
    throw new Refusal(400, "this is not JSON");
  }
}
