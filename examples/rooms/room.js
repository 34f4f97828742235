// A client of a room without a library: one WebSocket with the messages of DriftDB.

const gateway = new URLSearchParams(location.search).get("gateway") ?? "http://127.0.0.1:8080";

// enter opens the room that is in the page's address. If there is none, it makes a room and puts it into the address, which
// you can send to a friend.
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
  #listeners = new Map(); // functions by key
  #sizes = new Map();
  #waiting = [];

  constructor(url) {
    this.#url = url;
    this.#open();
  }

  #open() {
    this.#socket = new WebSocket(this.#url);
    this.#socket.onmessage = e => this.#receive(JSON.parse(e.data));
    this.#socket.onclose = () => setTimeout(() => this.#open(), 1000);
    this.#socket.onopen = () => {
      for (const key of this.#listeners.keys()) this.#send({ type: "get", key, seq: 0 });
      for (const m of this.#waiting.splice(0)) this.#send(m);
    };
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
    else if (this.#waiting.length < 1000) this.#waiting.push(message);
  }

  #receive(m) {
    const listener = this.#listeners.get(m.key);
    if (m.type === "push") listener?.(m.value, m.seq);
    if (m.type === "init") for (const e of m.data) listener?.(e.value, e.seq);
    if (m.type === "stream_size") this.#sizes.get(m.key)?.(m.size);
    if (m.type === "error") console.warn(m.message);
  }

  // on calls listener for the retained entries of a key, and then for each new one. It calls onSize with the number of
  // entries after each change of that.
  on(key, listener, onSize) {
    this.#listeners.set(key, listener);
    if (onSize) this.#sizes.set(key, onSize);
    if (this.#socket.readyState === WebSocket.OPEN) this.#send({ type: "get", key, seq: 0 });
  }

  // push sends a message to everybody in the room, including this page. type is append, replace, relay, or compact, which
  // replaces all entries up to seq.
  push(key, value, type, seq) {
    this.#send({ type: "push", key, value, action: { type, seq } });
  }
}
