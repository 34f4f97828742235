// A list of strokes: each is appended to the key. Clear replaces them all.
import { enter } from "./room.js";

const room = await enter().catch(e => (document.querySelector("#state").textContent = e.message, null));
if (room) {
  const board = document.querySelector("#board");
  const pen = board.getContext("2d");
  pen.lineWidth = 4;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = matchMedia("(prefers-color-scheme: dark)").matches ? "#7dd3a8" : "#0a7d55";
  let stroke, last = 0;

  const position = e => {
    const box = board.getBoundingClientRect();
    return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height].map(n => Math.round(n * 1000) / 1000);
  };
  const draw = points => {
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(x * board.width, y * board.height);
    pen.stroke();
  };
  board.onpointerdown = e => { stroke = [position(e)]; board.setPointerCapture(e.pointerId); };
  board.onpointermove = e => { if (stroke) { stroke.push(position(e)); draw(stroke.slice(-2)); } };
  board.onpointerup = () => { if (stroke) room.push("strokes", stroke, "append"); stroke = undefined; };
  document.querySelector("#clear").onclick = () => room.push("strokes", [], "replace");

  room.on("strokes", (points, seq) => {
    if (seq <= last) return;
    last = seq;
    board.dataset.strokes = points.length === 0 ? 0 : Number(board.dataset.strokes ?? 0) + 1;
    if (points.length === 0) pen.clearRect(0, 0, board.width, board.height);
    else draw(points);
  });
  document.querySelector("#state").textContent = "Open this page's address in another window.";
}
