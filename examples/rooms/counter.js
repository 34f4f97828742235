// A reducer: each click is appended to the key. When there are many, their sum replaces them.
import { enter } from "./room.js";

const room = await enter().catch(e => (document.querySelector("#state").textContent = e.message, null));
if (room) {
  let count = 0, last = 0;
  room.on("clicks", (value, seq) => {
    if (seq <= last) return; // it came already, before the connection was lost
    last = seq;
    count = value.sum ?? count + value.add;
    document.querySelector("#count").textContent = count;
  }, size => {
    if (size > 30) room.push("clicks", { sum: count }, "compact", last);
  });
  document.querySelector("#more").onclick = () => room.push("clicks", { add: 1 }, "append");
  document.querySelector("#state").textContent = "Open this page's address in another window.";
}
