// Answers of a model as streams of the gateway. This server stores nothing: what it must know is in the log.
import { gatewayError } from "../pages/serve.mjs";
import { NotPublished, publish } from "../publish/publish.mjs";

const { GATEWAY = "http://127.0.0.1:8080", KEY = "" } = process.env;

// An answer is the stream answer-ID. Its entries are: question, then text again and again, between them stopped and resumed,
// and at the end done or failed.
const stream = id => `answer-${id}`;
const entry = (id, event, data, expect) => ({ event, collection: stream(id), stream: stream(id), data, expect });
const running = new Map(); // the answers that this process writes now: by id, what stops the model

export async function ask(id, question, model) {
  const { id: last } = await publish(entry(id, "question", question, 0));
  write(id, question, "", last, model);
}

// stop stops the model, in whatever process it is: whoever writes the answer expects another last entry then.
export async function stop(id) {
  const { ended } = await read(id);
  if (!ended) await publish(entry(id, "stopped"));
  running.get(id)?.abort();
}

// resume lets the model go on after the last word that is in the log.
export async function resume(id, model) {
  for (let tries = 0; tries < 5; tries++) {
    const { question, text, last, ended } = await read(id);
    if (ended || question === undefined) return;
    try {
      const { id: next } = await publish(entry(id, "resumed", null, last));
      return void write(id, question, text, next, model);
    } catch (e) {
      if (e.code !== "expect_failed") throw e; // somebody writes at this moment: look again
    }
  }
}

// resumeAll goes on with the answers that an earlier process left without an end.
export async function resumeAll(model) {
  const open = new Set();
  for (const e of await lines("types=question,resumed,stopped,done,failed")) {
    const id = e.stream.slice("answer-".length);
    if (e.event === "question" || e.event === "resumed") open.add(id);
    else open.delete(id);
  }
  for (const id of open) await resume(id, model).catch(e => report(id, e));
}

// write appends what the model says, in one request at a time: while it is on its way, words collect for the next one.
// Each names the entry that must be the last one. So two writers never mix: one of them is refused, and ends.
async function write(id, question, already, last, model) {
  const stopper = new AbortController();
  running.get(id)?.abort();
  running.set(id, stopper);
  let words = "", sending = null, failure = null;
  const send = async () => {
    try {
      while (words) {
        const text = words;
        words = "";
        ({ id: last } = await publish(entry(id, "text", text, last)));
      }
    } catch (e) {
      failure = e;
      stopper.abort();
    }
    sending = null;
  };
  try {
    for await (const piece of model(question, already, stopper.signal)) {
      words += piece;
      sending ??= send();
      if (words.length > 10_000) await sending; // the gateway is slower than the model
    }
    await sending;
    if (!failure) await publish(entry(id, "done", null, last));
  } catch (e) {
    await sending;
    failure ??= e;
  } finally {
    if (running.get(id) === stopper) running.delete(id);
  }
  if (!failure || stopper.signal.aborted && !(failure instanceof NotPublished)) return; // Stop was pressed
  if (failure.code === "expect_failed") return; // somebody stopped it, or another process goes on with it
  report(id, failure);
  if (!(failure instanceof NotPublished)) await publish(entry(id, "failed", "the model failed")).catch(e => report(id, e));
}

// read collects what the log has of an answer.
async function read(id) {
  const answer = { question: undefined, text: "", last: 0, ended: false };
  for (const e of await lines(`stream=${stream(id)}`)) {
    answer.last = e.id;
    if (e.event === "question") answer.question = e.data;
    if (e.event === "text") answer.text += e.data;
    if (e.event === "done") answer.ended = true;
  }
  return answer;
}

async function lines(query) {
  const r = await fetch(`${GATEWAY}/realtime?until=caught-up&channels=*:answer-*&${query}`, { headers: { "x-apikey": KEY, Accept: "application/x-ndjson" } });
  const text = await r.text();
  if (!r.ok) throw gatewayError("the gateway answered", r.status, text);
  return text.split("\n").filter(Boolean).map(l => JSON.parse(l)).filter(e => e.id);
}

// token lets a page read one answer, and nothing else.
export async function token(id) {
  const r = await fetch(`${GATEWAY}/realtime/token`, {
    method: "POST", body: JSON.stringify({ sub: [`*:${stream(id)}`], ttl: "10m" }),
    headers: { "x-apikey": KEY, "Content-Type": "application/json" },
  });
  const answer = await r.json();
  if (!r.ok) throw gatewayError("no token", r.status, answer.message);
  return answer.token;
}

const report = (id, e) => console.error(`answer ${id}: ${e.message}`);
