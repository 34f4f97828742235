// Requests to the gateway. Credentials go in headers only, never in an address.

// root is where the gateway is: at the root of its host, or below a path behind a proxy.
const root = new URL("..", import.meta.url).href.replace(/\/$/, "");

// at gives the whole address of a path of the gateway.
export const at = path => root + path;

// Refusal is an answer that is not a success, with the gateway's own words.
export class Refusal extends Error {
  constructor(status, message, code = "") {
    super(message);
    Object.assign(this, { name: "Refusal", status, code });
  }
}

// A header carries bytes: a key beyond ASCII goes as UTF-8, as curl sends it.
const inHeader = text => String.fromCharCode(...new TextEncoder().encode(text));

export function ask(method, path, { credential, headers = {}, body, signal } = {}) {
  const all = { ...headers };
  if (credential?.kind === "token") all.Authorization = inHeader(`Bearer ${credential.value}`);
  else if (credential) all["x-apikey"] = inHeader(credential.value);
  if (body !== undefined) all["Content-Type"] = "application/json";
  return fetch(at(path), { method, headers: all, body, signal, cache: "no-store", credentials: "omit", redirect: "error" });
}

// failure is the error that an answer tells.
export async function failure(response) {
  const text = await response.text().catch(() => "");
  try {
    const { message, code } = JSON.parse(text);
    if (message) return new Refusal(response.status, message, code);
  } catch {
    // Not the gateway's own: a proxy's page says less than its status.
  }
  return new Refusal(response.status, `the answer was ${response.status} ${response.statusText}`.trim());
}

// call asks and gives what the answer's JSON holds.
export async function call(method, path, options = {}) {
  let response;
  try {
    response = await ask(method, path, options);
  } catch (e) {
    if (e instanceof TypeError) throw new Refusal(0, "the gateway cannot be reached");
    throw e;
  }
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}
