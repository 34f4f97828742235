export const $ = id => document.getElementById(id);

// show writes the line of state. look is "good", "bad" or nothing.
export function show(text, look = "") {
  $("state").textContent = text;
  $("state").className = `state ${look}`;
}

// element makes one with a text, which is never taken as HTML.
export function element(name, text = "", className = "") {
  const e = document.createElement(name);
  e.textContent = text;
  e.className = className;
  return e;
}
