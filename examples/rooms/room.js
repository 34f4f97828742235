// A room of the gateway without a library: one WebSocket, DriftDB's messages.

const gateway = new URLSearchParams(location.search).get("gateway") ?? "http://127.0.0.1:8080";

// enter joins the room that the address names, or makes one and names it there: send the address to a friend.
export async function enter() {
  const at = new URL(location.href);
  const id = at.searchParams.get("room");
  const answer = await fetch(`${gateway}/${id ? `room/${id}` : "new"}`, { method: id ? "GET" : "POST" });
  const room = await answer.json();
  if (!answer.ok) throw new Error(room.message);
  at.searchParams.set("room", room.room);
  history.replaceState(null, "", at);
  return new Room(room.socket_url);
}

class Room {
  #url;
  #socket;
  #listeners = new Map(); // by key
  #sizes = new Map();
  #waiting = [];

  constructor(url) {
    this.#url = url;
    this.#open();
  }

  #open() {
    this.#socket = new WebSocket(this.#url);
    this.#socket.onmessage = e => this.#take(JSON.parse(e.data));
    this.#socket.onclose = () => setTimeout(() => this.#open(), 1000);
    this.#socket.onopen = () => {
      for (const key of this.#listeners.keys()) this.#say({ type: "get", key, seq: 0 });
      for (const m of this.#waiting.splice(0)) this.#say(m);
    };
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
    else if (this.#waiting.length < 1000) this.#waiting.push(message);
  }

  #take(m) {
    const heard = this.#listeners.get(m.key);
    if (m.type === "push") heard?.(m.value, m.seq);
    if (m.type === "init") for (const e of m.data) heard?.(e.value, e.seq);
    if (m.type === "stream_size") this.#sizes.get(m.key)?.(m.size);
    if (m.type === "error") console.warn(m.message);
  }

  // on hears a key: what is retained first, then what comes. grown is told when it has many entries.
  on(key, heard, grown) {
    this.#listeners.set(key, heard);
    if (grown) this.#sizes.set(key, grown);
    if (this.#socket.readyState === WebSocket.OPEN) this.#say({ type: "get", key, seq: 0 });
  }

  // push tells everybody, this page too; type is append, replace, relay, or compact up to seq.
  push(key, value, type, seq) {
    this.#say({ type: "push", key, value, action: { type, seq } });
  }
}
