// An Express application that tells the gateway who may see live events. README.md shows how to run it.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import express from "express";
import session from "express-session";

const { GATEWAY = "http://127.0.0.1:8080", AUTH_SECRET, ADMIN_KEY, PORT = "8000" } = process.env;
const { REALTIME = `${GATEWAY}/realtime` } = process.env; // its address for pages
if (!AUTH_SECRET || !ADMIN_KEY) throw Error("AUTH_SECRET and ADMIN_KEY are not set");

// Your application has users and hashed passwords already. These stand for them.
const users = new Map([
  ["ann", { id: "42", name: "Ann", password: "ann", live: true }],
  ["bob", { id: "43", name: "Bob", password: "bob", live: false }],
]);

const app = express();
app.use(express.urlencoded({ extended: false }));
// express-session holds sessions in memory, where a logout removes them. Lax: no form of another site is sent with the cookie.
app.use(session({ secret: randomBytes(32).toString("hex"), resave: false, saveUninitialized: false, cookie: { sameSite: "lax" } }));

const current = q => users.get(q.session.user);
const escape = text => text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const page = (name, values) => {
  const all = { csrf: "", message: "", realtime: REALTIME, ...values };
  return readFileSync(join(import.meta.dirname, "..", "pages", `${name}.html`), "utf8").replace(/\{\{(\w+)\}\}/g, (_, key) => escape(all[key]));
};
const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b);

app.get("/", (q, r) => {
  const user = current(q);
  r.set("Cache-Control", "no-store").send(user ? page("live", { name: user.name }) : page("login"));
});

app.post("/login", (q, r, next) => {
  const { name, password } = q.body ?? {};
  const user = users.get(name);
  if (!user || !equal(Buffer.from(user.password), Buffer.from(String(password)))) {
    return r.status(401).send(page("login", { message: "The name or the password is wrong." }));
  }
  q.session.regenerate(err => {
    if (err) return next(err);
    q.session.user = name;
    r.redirect(303, "/");
  });
});

app.post("/logout", (q, r, next) => {
  const user = current(q);
  q.session.destroy(async err => {
    if (err) return next(err);
    if (user) await endStreams(user.id); // after the session's end: the page connects again, and must be refused
    r.redirect(303, "/");
  });
});

app.get("/realtime-auth", (q, r) => {
  if (!fromGateway(q)) return r.status(400).json({ message: "AUTH_SECRET is not the gateway's" });
  const user = current(q);
  if (!user) return r.status(401).json({ message: "log in first" }); // not a redirect to the login page
  if (!user.live) return r.status(403).json({ message: "your account has no live events" });
  r.json({ subject: user.id, name: user.name, sub: [`inbox-${user.id}`, "news"], pub: [], rest: [], ttl: "5m" });
});

// fromGateway reports whether the gateway asks: only it and we know AUTH_SECRET.
function fromGateway(q) {
  const signature = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(q.get("Sluice-Signature") ?? "");
  if (!signature) return false;
  const text = [signature[1], q.get("X-Forwarded-Method"), q.get("X-Forwarded-Uri"), q.get("X-Forwarded-For")].join("\n");
  const right = createHmac("sha256", AUTH_SECRET).update(text).digest();
  return equal(right, Buffer.from(signature[2], "hex")) && Math.abs(Date.now() / 1000 - signature[1]) < 300;
}

// endStreams ends the user's streams now. Without it they would end when the gateway asks again, within the ttl.
async function endStreams(subject) {
  try {
    const answer = await fetch(`${GATEWAY}/admin/revocations`, {
      method: "POST", body: JSON.stringify({ subject }), signal: AbortSignal.timeout(5000),
      headers: { "x-apikey": ADMIN_KEY, "Content-Type": "application/json" },
    });
    if (!answer.ok) throw Error(`status ${answer.status}`);
  } catch (e) {
    console.warn(`the streams of ${subject} were not ended: ${e.message}`);
  }
}

app.listen(Number(PORT), "127.0.0.1");
