// Requests to the gateway. Credentials go in headers only, never in an address.

import { allowed } from "./allow.js";

// base is where the gateway is: at the root of its host, or below a path behind a proxy.
const base = new URL("..", import.meta.url).href.replace(/\/$/, "");

// at gives the whole address of a path of the gateway.
export const at = path => base + path;

// Refusal is an answer that is not a success, with the gateway's own words.
export class Refusal extends Error {
  constructor(status, message, code = "", current = null) {
    super(message);
    Object.assign(this, { name: "Refusal", status, code, current });
  }
}

// root is the administrator at the databases' door.
export const root = admin => admin && { kind: "root", value: admin.value };

// A header carries bytes: a key beyond ASCII goes as UTF-8, as curl sends it.
const inHeader = text => String.fromCharCode(...new TextEncoder().encode(text));

export function ask(method, path, { credential, headers = {}, body, signal } = {}) {
  const all = { ...headers };
  if (credential?.kind === "token") all.Authorization = inHeader(`Bearer ${credential.value}`);
  else if (credential?.kind === "root") all.Authorization = inHeader(`Apikey ${credential.value}`);
  else if (credential) all["x-apikey"] = inHeader(credential.value);
  if (body !== undefined) all["Content-Type"] = "application/json";
  return fetch(at(path), { method, headers: all, body, signal, cache: "no-store", credentials: "omit", redirect: "error" });
}

// failure returns the error of an answer.
export async function failure(response) {
  const text = await response.text().catch(() => "");
  try {
    const { message, error, code, current } = JSON.parse(text);
    const said = message ?? error; // the databases' door has error alone
    if (said) return new Refusal(response.status, allowed(said, code), code, current);
  } catch {
    // Not the gateway's own: a proxy's page says less than its status.
  }
  return new Refusal(response.status, `the gateway answered ${response.status} ${response.statusText}`.trim());
}

// patience is how long an answer may take: nothing waits without an end.
export const patience = 30_000;

// reach asks and gives an answer that is a success.
async function reach(method, path, options) {
  let response;
  try {
    response = await ask(method, path, { ...options, signal: AbortSignal.timeout(patience) });
  } catch (e) {
    if (e instanceof TypeError) throw new Refusal(0, "The gateway cannot be reached.");
    if (e.name === "TimeoutError") throw new Refusal(0, `The gateway did not answer within ${patience / 1000} seconds.`);
    throw e;
  }
  if (!response.ok) throw await failure(response);
  return response;
}

// read reads a body, which can be cut off too.
async function read(response) {
  try {
    return await response.text();
  } catch {
    throw new Refusal(0, "The answer was cut off.");
  }
}

// call asks and gives what the answer's JSON holds.
export async function call(method, path, options = {}) {
  const response = await reach(method, path, options);
  const text = await read(response);
  return text ? JSON.parse(text) : null;
}

// texts asks and gives the lines of an answer as they were written: a parse would change large numbers.
export async function texts(path, options = {}) {
  const text = await read(await reach("GET", path, { ...options, headers: { Accept: "application/x-ndjson" } }));
  return text.split("\n").filter(Boolean);
}

// lines asks and gives the objects of an answer that has one a line.
export const lines = async (path, options) => (await texts(path, options)).map(line => JSON.parse(line));

// raw asks and gives an answer's text and headers.
export async function raw(method, path, options = {}) {
  const response = await reach(method, path, options);
  return { text: await read(response), headers: response.headers };
}

// list asks for a page of a list, and gives its entries, how many there are in all, how many match what was searched, and
// the query of the page that follows, "" at the end.
export async function list(path, query, options = {}) {
  const response = await reach("GET", path + query, options);
  const number = name => response.headers.has(name) ? Number(response.headers.get(name)) : null; // null: the gateway does not count them
  const [, next = ""] = /<(\?[^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "") ?? [];
  return { entries: JSON.parse(await read(response)), total: number("x-total-count"), matching: number("x-match-count"), next };
}

// once names a request, so that its repeat is known as one. (crypto.randomUUID is there over https only.)
export const once = () => [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, "0")).join("");
