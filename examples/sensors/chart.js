// The last values of one sensor, and their line.
const size = 500; // 10 seconds of 50 values

export class Chart {
  #values = new Float32Array(size); // a ring: the newest value is before #end
  #end = 0;
  #count = 0;
  #canvas = document.createElement("canvas");
  #now = document.createElement("b");

  constructor(name, parent) {
    const card = document.createElement("div"), head = document.createElement("div"), label = document.createElement("span");
    card.className = "card chart";
    label.textContent = name;
    head.append(label, this.#now);
    card.append(head, this.#canvas);
    parent.append(card);
  }

  // add is called for each event, so it only stores the value.
  add(value) {
    this.#values[this.#end] = value;
    this.#end = (this.#end + 1) % size;
    this.#count = Math.min(this.#count + 1, size);
  }

  // draw is called for each picture, however many values came since the last one.
  draw(color) {
    if (!this.#count) return;
    const canvas = this.#canvas, width = canvas.clientWidth * devicePixelRatio, height = canvas.clientHeight * devicePixelRatio;
    if (canvas.width !== Math.round(width) || canvas.height !== Math.round(height)) Object.assign(canvas, { width: Math.round(width), height: Math.round(height) });
    const at = i => this.#values[(this.#end - this.#count + i + size) % size];
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < this.#count; i++) {
      low = Math.min(low, at(i));
      high = Math.max(high, at(i));
    }
    const pen = canvas.getContext("2d"), pad = 2 * devicePixelRatio, scale = (height - 2 * pad) / (high - low || 1);
    pen.clearRect(0, 0, width, height);
    pen.beginPath();
    for (let i = 0; i < this.#count; i++) pen.lineTo((width * (size - this.#count + i)) / (size - 1), height - pad - (at(i) - low) * scale);
    pen.strokeStyle = color;
    pen.lineWidth = 1.5 * devicePixelRatio;
    pen.stroke();
    this.#now.textContent = at(this.#count - 1).toFixed(1);
  }
}
