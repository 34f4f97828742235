// Who is signed in, and what their page may do. The messages do not pass through here: pages publish them themselves.
import { randomBytes } from "node:crypto";
import { gatewayError, Refusal, serve } from "../pages/serve.mjs";

const { GATEWAY = "http://127.0.0.1:8080", KEY = "" } = process.env;
const sessions = new Map(); // names by the value of the cookie; in your application: its own sessions

const cookie = (value, age) => `session=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${age}`;
const sessionOf = request => /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];

// token is good for one room: it may read everything there, and publish with this name only. For the name is the collection of
// a message, and so a part of the channel that the gateway checks.
async function token(name, room) {
  const r = await fetch(`${GATEWAY}/realtime/token`, {
    method: "POST", headers: { "x-apikey": KEY, "Content-Type": "application/json" },
    body: JSON.stringify({ sub: [`chat-${room}`], pub: [`chat-${room}:${name}`], ttl: "10m" }),
  });
  const answer = await r.json();
  if (!r.ok) throw gatewayError("no token", r.status, answer.message);
  return answer.token;
}

serve(import.meta.dirname, {
  "POST /login": ({ name }, request, response) => {
    // Letters, digits and single blanks: no * and no : , which mean something in a channel.
    if (typeof name !== "string" || !/^[\p{L}\p{N}]+(?: [\p{L}\p{N}]+)*$/u.test(name) || name.length > 30) throw new Refusal(400, "A name has 1 to 30 letters and digits.");
    if (sessions.size >= 10_000) sessions.delete(sessions.keys().next().value); // the oldest
    const id = randomBytes(16).toString("base64url");
    sessions.set(id, name);
    response.setHeader("Set-Cookie", cookie(id, 86_400));
  },
  "POST /logout": (_, request, response) => {
    sessions.delete(sessionOf(request));
    response.setHeader("Set-Cookie", cookie("", 0));
  },
  "GET /session": async ({ room }, request) => {
    const name = sessions.get(sessionOf(request));
    if (!name) throw new Refusal(401, "Please sign in.");
    if (!/^[a-z0-9]{1,30}$/.test(room)) throw new Refusal(400, "The name of a room has 1 to 30 small letters and digits.");
    return { name, gateway: GATEWAY, token: await token(name, room) }; // in your application: if the user may enter the room
  },
});
