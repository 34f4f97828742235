// The SDK's parser against the forms of the HTML standard, however they are cut.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parser } from "../public/sdk/sluice.js";

const bytes = text => typeof text === "string" ? Buffer.from(text) : text;

function parse(chunks, id) {
  const p = parser(id);
  return { frames: chunks.flatMap(c => p.push(bytes(c))), retry: p.retry };
}

const one = (data, type = "message", id = "") => ({ type, data, id });

const forms = [
  ["a message", "data: x\n\n", [one("x")]],
  ["no blank line, no event", "data: x\n", []],
  ["no end of line, no event", "data: x\n\ndata: y", [one("x")]],
  ["a BOM at the start", "\uFEFFdata: x\n\n", [one("x")]],
  ["one BOM only", "\uFEFF\uFEFFdata: x\n\n", []],
  ["a BOM inside is data", "data: \uFEFFx\n\n", [one("\uFEFFx")]],
  ["CR", "data: x\rdata: y\r\r", [one("x\ny")]],
  ["CRLF", "data: x\r\ndata: y\r\n\r\n", [one("x\ny")]],
  ["mixed ends", "data: a\rdata: b\ndata: c\r\n\rdata: d\n\r", [one("a\nb\nc"), one("d")]],
  ["other line ends are data", "data: a\u2028b\u0085c\vd\n\n", [one("a\u2028b\u0085c\vd")]],
  ["several data lines", "data: a\ndata:\ndata: b\n\n", [one("a\n\nb")]],
  ["one blank after the colon is taken off", "data:  a\ndata:b\ndata:\tc\n\n", [one(" a\nb\n\tc")]],
  ["colons in the value", "data: a: b:c\n\n", [one("a: b:c")]],
  ["data without colon", "data\n\n", [one("")]],
  ["two data without colon", "data\ndata\n\n", [one("\n")]],
  ["an empty data", "data:\n\n", [one("")]],
  ["comments", ": x\n:\ndata: a\n:data: b\n\n", [one("a")]],
  ["unknown fields", "foo: x\nDATA: y\n data: z\ndatax: w\ndata : v\ndata: a\n\n", [one("a")]],
  ["event names", "event: a\ndata: 1\n\ndata: 2\n\nevent: b\nevent: c\ndata: 3\n\nevent: d\nevent\ndata: 4\n\n", [one("1", "a"), one("2"), one("3", "c"), one("4")]],
  ["an event without data is none, nor does its name stay", "event: a\n\ndata: x\n\n", [one("x")]],
  ["ids stay", "id: 1\ndata: a\n\ndata: b\n\n", [one("a", "message", "1"), one("b", "message", "1")]],
  ["an id of a block without data counts", "id: 1\n\ndata: b\n\n", [one("b", "message", "1")]],
  ["an empty id forgets", "id: 1\ndata: a\n\nid\ndata: b\n\nid:\ndata: c\n\n", [one("a", "message", "1"), one("b"), one("c")]],
  ["an id with NUL is none", "id: 1\nid: 2\0\ndata: a\n\n", [one("a", "message", "1")]],
  ["the id of the connection before stays", "data: a\n\n", [one("a", "message", "7")], "7"],
  ["NUL in data", "data: a\0b\n\n", [one("a\0b")]],
  ["bad UTF-8 is replaced", Buffer.from([...Buffer.from("data: "), 0xff, 0xe6, 0x97, 10, 10]), [one("\uFFFD\uFFFD")]],
  ["blank lines alone", "\n\r\n\r\n\n", []],
  ["a long line", `data: ${"x".repeat(100_000)}\n\n`, [one("x".repeat(100_000))]],
];

for (const [name, text, want, id] of forms) {
  test(`form: ${name}`, () => {
    assert.deepEqual(parse([text], id).frames, want);
    const all = bytes(text).subarray(0, 2000);
    if (all.length < bytes(text).length) return;
    assert.deepEqual(parse(Array.from(all, (_, i) => all.subarray(i, i + 1)), id).frames, want, "a byte at a time");
    assert.deepEqual(parse(Array.from(all, (_, i) => [all.subarray(i, i + 1), bytes("")]).flat(), id).frames, want, "with empty chunks");
    for (let i = 1; i < all.length; i++) assert.deepEqual(parse([all.subarray(0, i), all.subarray(i)], id).frames, want, `cut at ${i}`);
  });
}

test("retry takes digits only", () => {
  for (const [line, want] of [
    ["retry: 100", 100], ["retry:0", 0], ["retry: 007", 7], ["retry: 99999999999999999999", 2 ** 31 - 1],
    ["retry: 1.5"], ["retry: -1"], ["retry: 1e3"], ["retry:"], ["retry"], ["retry: 10 "], ["retry:  10"], ["retry: ١٢"], ["Retry: 1"],
  ]) assert.equal(parse([line + "\n"]).retry, want, line);
  assert.equal(parse(["retry: 5\nretry: x\n"]).retry, 5);
  assert.equal(parse(["retry: 5"]).retry, undefined, "an unfinished line");
});

test("an event is there with its last byte: a CR is not waited out", () => {
  const p = parser();
  assert.deepEqual(p.push(bytes("data: x\r\r")), [one("x")]);
  assert.deepEqual(p.push(bytes("\ndata: y\n\n")), [one("y")]);
});

const sample = Buffer.from("\uFEFF: hi\r\nid: 1\rdata: 日本\ndata: 😀\r\n\r\nevent: é\nid: 2\ndata\n\r");
const whole = [one("日本\n😀", "message", "1"), one("", "é", "2")];

test("every cut into three", () => {
  assert.deepEqual(parse([sample]).frames, whole);
  for (let i = 0; i <= sample.length; i++)
    for (let j = i; j <= sample.length; j++)
      assert.deepEqual(parse([sample.subarray(0, i), sample.subarray(i, j), sample.subarray(j)]).frames, whole, `cut at ${i} and ${j}`);
});

test("random texts, randomly cut, read as a plain reading does", () => {
  const pieces = ["data", "data:", "data: x", "event: e", "id: 1", "id", ":", ": c", "\r", "\n", "\r\n", "\n\n", "é", "日", "😀", " ", "\0", "retry: 1"];
  const random = n => Math.floor(Math.random() * n);
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: random(40) }, () => pieces[random(pieces.length)]).join("");
    const all = bytes(text), chunks = [];
    for (let i = 0; i < all.length;) {
      const n = 1 + random(8);
      chunks.push(all.subarray(i, i += n));
    }
    assert.deepEqual(parse(chunks).frames, plainly(text), JSON.stringify(text));
  }
});

// plainly is the standard's text, line by line, for a text that is all there.
function plainly(text) {
  const frames = [];
  let data = "", type = "", id = "", i = 0;
  while (i < text.length) {
    let end = i;
    while (end < text.length && text[end] !== "\r" && text[end] !== "\n") end++;
    if (end === text.length) break;
    const line = text.slice(i, end);
    i = end + (text.startsWith("\r\n", end) ? 2 : 1);
    if (line === "") {
      if (data !== "") frames.push({ type: type === "" ? "message" : type, data: data.slice(0, -1), id });
      data = type = "";
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") data += value + "\n";
    if (name === "event") type = value;
    if (name === "id" && !value.includes("\0")) id = value;
  }
  return frames;
}
