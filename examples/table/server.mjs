// Gives pages a token, and fills an empty collection. The pages read and change the documents at the gateway themselves.
import { atLast, gatewayError, serve } from "../pages/serve.mjs";

const { GATEWAY = "http://127.0.0.1:8080", KEY = "" } = process.env;

async function ask(method, path, body) {
  const r = await fetch(`${GATEWAY}/${path}`, { method, body: body && JSON.stringify(body), headers: { "x-apikey": KEY, "Content-Type": "application/json" } });
  const answer = await r.json();
  if (!r.ok && answer.code !== "id_taken") throw gatewayError(`${method} ${path}`, r.status, answer.message);
  return answer;
}

serve(import.meta.dirname, {
  // In your application: only for a user who may change the table, or with less in "rest" for others.
  "GET /session": async () => ({ gateway: GATEWAY, token: (await ask("POST", "realtime/token", { sub: ["*:product"], rest: ["*:product"], ttl: "10m" })).token }),
});

// Ids of our own: if two servers start at once, the second one changes nothing.
await atLast(async () => {
  if ((await ask("GET", "rest/product?max=1")).length) return;
  await ask("POST", "rest/product", [
    { _id: "coffee", name: "Coffee, 1 kg", price: 18.5, stock: 12 },
    { _id: "tea", name: "Green tea", price: 6.9, stock: 40 },
    { _id: "honey", name: "Honey of the forest", price: 8.25, stock: 7 },
  ]);
});
