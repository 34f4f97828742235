// Presence: each window relays the position of its pointer, at least once a second. Nothing is stored.
import { enter } from "./room.js";

const room = await enter().catch(e => (document.querySelector("#state").textContent = e.message, null));
if (room) {
  const field = document.querySelector("#field");
  const me = crypto.randomUUID?.() ?? String(Math.random());
  const others = new Map();
  let at = { x: 0.5, y: 0.5 }, sentAt = 0;

  const send = () => { sentAt = Date.now(); room.push("__presence", { client: me, value: at }, "relay"); };
  field.onpointermove = e => {
    const box = field.getBoundingClientRect();
    at = { x: (e.clientX - box.left) / box.width, y: (e.clientY - box.top) / box.height };
    if (Date.now() - sentAt > 30) send();
  };
  setInterval(() => {
    send();
    for (const [id, dot] of others) if (Date.now() - dot.movedAt > 2000) { dot.element.remove(); others.delete(id); }
    document.querySelector("#state").textContent = `${others.size} others here. Open this page's address in another window.`;
  }, 1000);

  room.on("__presence", ({ client, value }) => {
    if (client === me) return;
    let dot = others.get(client);
    if (!dot) {
      dot = { element: document.createElement("i") };
      dot.element.style.background = `hsl(${[...client].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 360, 0)} 70% 50%)`;
      field.append(dot.element);
      others.set(client, dot);
    }
    dot.movedAt = Date.now();
    dot.element.style.left = `${100 * value.x}%`;
    dot.element.style.top = `${100 * value.y}%`;
  });
  send();
}
