// Server-Sent Events by fetch, which can send headers: EventSource would need the credential in the
// address. Parsing after the WHATWG HTML standard, 9.2.6; reconnection after docs/protocol.md.
import { ask, failure } from "./api.js";
import { setSkew } from "./format.js";

// Frames makes frames of the text of a stream, however it is cut.
export class Frames {
  lastId = "";
  retry = 2000;
  #rest = "";
  #began = false;
  #frame = { type: "", data: [], id: null };

  feed(text) {
    if (!this.#began && text) {
      this.#began = true;
      text = text.replace(/^\uFEFF/, "");
    }
    this.#rest += text;
    // A CR at the very end may be the first half of CRLF.
    const whole = this.#rest.endsWith("\r") ? this.#rest.length - 1 : this.#rest.length;
    const lines = this.#rest.slice(0, whole).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + this.#rest.slice(whole);
    return lines.map(line => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#frame.type = value;
    else if (name === "data") this.#frame.data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#frame.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #dispatch() {
    const { type, data, id } = this.#frame;
    this.#frame = { type: "", data: [], id: null };
    if (id !== null) this.lastId = id;
    if (data.length) return { type: type || "message", id, data: data.join("\n") };
  }
}

// What comes in quick succession is taken together, ten times a second: each piece by itself costs more than what is in it.
// Large pieces, and a page that nobody sees, whose timers are slow, are taken at once, so that nothing piles up at the gateway.
const together = 100; // milliseconds
const large = 16 << 10; // bytes

// most is the longest that a reconnection waits, unless the server asks for more.
const most = 30_000;

// Follow reads a stream until it is closed or refused, and reconnects where the cause may pass.
// onstate gets {name, text}: connecting, live, waiting, refused or ended.
export class Follow {
  #abort = new AbortController();
  #attempt = null; // ends the one connection
  #wake = null; // ends the wait for the next
  #failures = 0;
  #over = false; // refused or ended
  #parting = null; // what the last frame said of why it is the last

  constructor(url, { credential, onframe, onstate, silence = 60_000 }) {
    Object.assign(this, { url, credential, onframe, onstate, silence });
    this.frames = new Frames();
    this.#run();
  }

  close() {
    this.#abort.abort();
    this.#wake?.();
  }

  // again tries at once, if it waits or was refused.
  again() {
    if (this.#wake) this.#wake();
    else if (this.#over) this.#run();
  }

  async #run() {
    const { signal } = this.#abort;
    this.#over = false;
    for (let first = true; !signal.aborted; first = false) {
      if (first) this.onstate({ name: "connecting", text: "connecting" });
      const cause = await this.#connect();
      if (signal.aborted) return;
      if (cause.final) {
        this.#over = true;
        return this.onstate({ name: cause.final, text: cause.text, status: cause.status });
      }
      this.#failures = this.live ? 0 : this.#failures + 1;
      await this.#wait(cause);
    }
  }

  async #wait(cause) {
    const grown = Math.min(this.frames.retry * 2 ** Math.min(Math.max(this.#failures - 1, 0), 6), Math.max(most, this.frames.retry));
    const delay = cause.after ?? grown * (0.8 + 0.2 * Math.random());
    this.onstate({ name: "waiting", text: cause.text, announced: cause.announced, delay });
    await new Promise(done => {
      this.#wake = done;
      setTimeout(done, delay);
    });
    this.#wake = null;
  }

  // connect reads one connection to its end, and says why it ended.
  async #connect() {
    this.live = false;
    this.#attempt = new AbortController();
    const stop = () => this.#attempt.abort();
    this.#abort.signal.addEventListener("abort", stop, { once: true });
    let receivedAt = Date.now();
    const quiet = setInterval(() => Date.now() - receivedAt >= this.silence && stop(), Math.min(1000, this.silence));
    try {
      const headers = { Accept: "text/event-stream" };
      if (this.frames.lastId) headers["Last-Event-ID"] = this.frames.lastId;
      const response = await ask("GET", this.url, { credential: this.credential, headers, signal: this.#attempt.signal });
      setSkew(response.headers.get("date"));
      if (response.status === 204) return { final: "ended", text: "ended" };
      if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) return await this.#refused(response);
      const reader = response.body.getReader(), decoder = new TextDecoder();
      for (let last = 0; ;) {
        const { done, value } = await reader.read();
        if (done) return this.#parting ?? { text: "the connection was closed" };
        receivedAt = Date.now();
        for (const frame of this.frames.feed(decoder.decode(value, { stream: true }))) this.#take(frame);
        const wait = last + together - receivedAt;
        last = receivedAt;
        if (wait > 0 && value.length < large && !document.hidden) await new Promise(done => setTimeout(done, wait));
      }
    } catch (e) {
      if (e.name === "AbortError") {
        this.silence = Math.min(this.silence * 2, 600_000); // perhaps its pings are rare
        return { text: "nothing arrived for too long" };
      }
      return { text: this.live ? "the connection was lost" : "the gateway cannot be reached" };
    } finally {
      clearInterval(quiet);
      this.#abort.signal.removeEventListener("abort", stop);
      this.frames = Object.assign(new Frames(), { lastId: this.frames.lastId, retry: this.frames.retry });
      this.#parting = null;
    }
  }

  #take(frame) {
    if (this.#abort.signal.aborted) return;
    if (frame.type === "busy" || frame.type === "expired" || frame.type === "end") {
      this.#parting = { text: parting(frame), announced: true };
    } else if (!this.live) {
      this.live = true;
      this.onstate({ name: "live", text: "live" });
    }
    this.onframe(frame);
  }

  async #refused(response) {
    const error = await failure(response);
    const passes = error.status >= 500 || error.status === 429 || error.status === 408;
    const seconds = Number(response.headers.get("retry-after")) || undefined;
    return { text: error.message, status: error.status, final: passes ? undefined : "refused", after: passes && seconds ? seconds * 1000 : undefined };
  }
}

// parting is what a last frame says.
function parting({ type, data }) {
  try {
    const said = JSON.parse(data).data;
    return said.message ?? `${type}: ${said.reason}`;
  } catch {
    return type;
  }
}
