// The pages of the example, and the buttons on them.
import { randomBytes } from "node:crypto";
import { Refusal, serve } from "../pages/serve.mjs";
import { ask, resume, resumeAll, stop, token } from "./answers.mjs";
import { model } from "./models.mjs";

const { GATEWAY = "http://127.0.0.1:8080" } = process.env;

// known refuses what cannot be an id. In your application: also what is not an answer of this user.
function known({ id }) {
  if (!/^[\w-]{22}$/.test(id)) throw new Refusal(404, "there is no such answer");
  return id;
}

serve(import.meta.dirname, {
  "POST /ask": async ({ question }) => {
    if (typeof question !== "string" || !question.trim() || question.length > 4000) throw new Refusal(400, "ask something, in up to 4,000 characters");
    const id = randomBytes(16).toString("base64url");
    await ask(id, question.trim(), model);
    return { id };
  },
  "POST /stop": input => stop(known(input)),
  "POST /resume": input => resume(known(input), model),
  "GET /token": async input => ({ token: await token(known(input)), gateway: GATEWAY }),
});

await resumeAll(model);
