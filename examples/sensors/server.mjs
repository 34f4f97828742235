// The pages, a token for them, and the sensors, which usually run somewhere else.
import { gatewayError, serve } from "../pages/serve.mjs";
import { run } from "./sensors.mjs";

const { GATEWAY = "http://127.0.0.1:8080", KEY = "" } = process.env;

serve(import.meta.dirname, {
  "GET /session": async () => {
    const r = await fetch(`${GATEWAY}/realtime/token`, {
      method: "POST", body: JSON.stringify({ sub: ["reading:*"], ttl: "10m" }), headers: { "x-apikey": KEY, "Content-Type": "application/json" },
    });
    const answer = await r.json();
    if (!r.ok) throw gatewayError("no token", r.status, answer.message);
    return { gateway: GATEWAY, token: answer.token };
  },
});

await run();
