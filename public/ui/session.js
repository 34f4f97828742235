// The credentials in use, and the gateway that the administrator looks at: in memory, and in sessionStorage so that they outlive
// a reload of this tab. Credentials come from the form or from the address's fragment, which no server ever sees.
import { ask, failure, patience, Refusal } from "./api.js";

const place = "sluice";
const listeners = [];

// node is the gateway of a cluster whose figures and clients show; "": those of all.
export const session = { key: null, admin: null, node: "" };

export const onSession = f => listeners.push(f);

function changed() {
  try {
    sessionStorage.setItem(place, JSON.stringify(session));
  } catch {
    // Storage may be switched off: memory does.
  }
  for (const f of listeners) f();
}

export function restore() {
  try {
    Object.assign(session, JSON.parse(sessionStorage.getItem(place) ?? "{}"));
  } catch {
    // As above.
  }
}

// fromAddress takes credentials out of the fragment and the address: a key or a token and, on a second line, the admin key,
// which the link of a gateway's first start has too.
export function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const key = given.get("apikey") ?? given.get("token") ?? given.get("key"), admin = given.get("admin");
  if (key === null && admin === null) return null;
  history.replaceState(null, "", location.pathname);
  return admin ? `${key ?? ""}\n${admin}` : key;
}

// add keeps what the form or fromAddress gives. The admin key comes first, since it decides which view shows.
export async function add(given) {
  const [value, admin] = given.split("\n");
  try {
    if (admin) await addAdmin(admin);
  } finally {
    if (value) await addOne(value);
  }
}

async function addAdmin(value) {
  const admin = { kind: "admin", value };
  const stats = await reach("GET", "/admin/stats", admin);
  if (!stats.ok) throw await failure(stats);
  session.admin = admin;
  changed();
}

// addOne finds out what a value is and keeps it. The key is tried first: then the many who have only a
// key leave no failed call of /admin behind, in the browser's console or in the gateway's counters.
async function addOne(value) {
  const credential = { kind: claimsOf(value) ? "token" : "key", value };
  const seen = await reach("HEAD", "/realtime", credential);
  if (seen.status !== 401) {
    session.key = credential;
    changed();
    return credential;
  }
  const admin = { kind: "admin", value };
  const stats = await reach("GET", "/admin/stats", admin);
  if (!stats.ok) {
    if (stats.status === 401 && credential.kind === "token")
      throw new Refusal(401, "The gateway does not accept this token. Those of your own issuer need JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL.");
    if (stats.status === 401) throw new Refusal(401, "The gateway does not know this key, token or admin key.");
    if (stats.status === 404) throw new Refusal(401, "The gateway does not know this key or token, and it has no administrator: that needs the setting ADMIN_KEY.");
    throw await failure(stats);
  }
  session.admin = admin;
  changed();
  return admin;
}

async function reach(method, path, credential) {
  try {
    return await ask(method, path, { credential, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Refusal(0, "The gateway cannot be reached.");
  }
}

// lookAt chooses a gateway; "" chooses all.
export function lookAt(node) {
  session.node = node;
  changed();
}

export function forget(which) {
  session[which] = null;
  if (which === "admin") session.node = "";
  changed();
}

// claimsOf reads a token without judging it; null for what is none.
export function claimsOf(value) {
  const parts = value.split(".");
  if (parts.length !== 3) return null;
  try {
    const [head, claims] = parts.slice(0, 2).map(part => {
      const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, c => c.charCodeAt(0))));
    });
    return head.alg && claims && typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

// hint distinguishes credentials without showing them.
export const hint = value => value.length > 12 ? `…${value.slice(-4)}` : "…";
