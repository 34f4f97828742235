// The models: functions that yield the rest of an answer, piece by piece. "already" is what the reader has seen of it.
import { setTimeout as sleep } from "node:timers/promises";

// fake needs no key and no network. It answers every question with the same text, a word at a time.
export async function* fake(question, already, signal) {
  const words = `You asked: “${question}”\n\n${text}`.slice(already.length).match(/\s*\S+/g) ?? [];
  for (const word of words) {
    await sleep(Number(process.env.PAUSE ?? 40), null, { signal });
    yield word;
  }
}

const text = `This text comes from a small model that is not one: it says the same every time, a word after the other.

Each word goes through the gateway's log before it reaches you. The page does not talk to the model at all, it reads a stream. So try to break it:

1. Reload the page. It reads the stream from its beginning, and goes on where the model is now.
2. Open the same address in a second tab. Both show the same.
3. Turn the network off and on again. What was missed arrives, and nothing comes twice.
4. Press Stop, and then Go on. The rest begins at the word where the model stopped.
5. Kill the server and start it again. It reads the log, sees that this answer has no end, and goes on with it.

In all five cases the whole text ends with the same four words: that is the end.`;

// real asks any server with the API of OpenAI: OpenAI itself, vLLM, Ollama, llama.cpp, LM Studio and many more.
export async function* real(question, already, signal) {
  const { OPENAI_BASE_URL: base, OPENAI_API_KEY: key = "", MODEL: model } = process.env;
  const messages = [{ role: "user", content: question }];
  if (already) messages.push({ role: "assistant", content: already }, { role: "user", content: "Go on exactly where your answer ended. Repeat nothing of it." });
  const r = await fetch(`${base}/chat/completions`, {
    method: "POST", body: JSON.stringify({ model, messages, stream: true }), signal,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
  });
  if (!r.ok) throw new Error(`the model answered ${r.status}: ${(await r.text()).slice(0, 500)}`);
  let line = "";
  for await (const chunk of r.body.pipeThrough(new TextDecoderStream())) {
    const lines = (line + chunk).split(/\r?\n/);
    line = lines.pop();
    for (const l of lines) {
      if (!l.startsWith("data:") || l.includes("[DONE]")) continue;
      const piece = JSON.parse(l.slice(5)).choices?.[0]?.delta?.content;
      if (piece) yield piece;
    }
  }
}

export const model = process.env.OPENAI_BASE_URL ? real : fake;
