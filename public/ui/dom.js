// Making elements. What is given as text stays text: nothing here reads markup.

export const $ = id => document.getElementById(id);

export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(e, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "onclick") act(e, "click", value);
    else if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "text") e.textContent = value;
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

// A finger that rests on a key, or a second click that follows by habit, means one action.
const breath = 500; // milliseconds

// act is how every button and form of the page acts: one thing at a time. While f is under way, and for a breath after it, the
// control does nothing else. What f does at once is over at once; again lets such a control be clicked in quick succession.
export function act(target, type, f, { again = false } = {}) {
  const form = type === "submit";
  const shown = form ? target.querySelector("button:not([type=button])") : target;
  let running = false;
  const run = now => {
    running = now;
    if (now) shown?.setAttribute("aria-disabled", "true");
    else shown?.removeAttribute("aria-disabled");
  };
  if (form) target.addEventListener("click", e => e.detail > 1 && e.target === shown && e.preventDefault());
  target.addEventListener(type, async e => {
    if (form) e.preventDefault();
    if (running || e.detail > 1 && !again) return;
    running = true;
    try {
      const work = f(e);
      if (!work?.then) return;
      run(true);
      await work;
      await new Promise(done => setTimeout(done, breath));
    } finally {
      run(false);
    }
  });
}

// A key that is held down repeats itself, and each time would press the button or send the form that has the focus.
document.addEventListener("keydown", e => {
  if (e.repeat && e.key === "Enter" && (e.ctrlKey || e.metaKey || !e.target.matches("textarea"))) e.preventDefault();
}, true);

// setText writes only what differs, so that nothing flickers and no screen reader repeats itself.
export function setText(e, text) {
  if (e.textContent !== String(text)) e.textContent = text;
}

// message shows the result of an action in an element that is a live region.
export function message(e, text = "", bad = false) {
  e.classList.toggle("bad", bad);
  setText(e, text);
}

// reconcile makes a parent's children those of the items, by key, without touching what stays.
export function reconcile(parent, items, key, make, update) {
  const have = new Map([...parent.children].map(e => [e.dataset.key, e]));
  const focused = parent.contains(document.activeElement) && document.activeElement; // what moves loses the focus
  let before = null;
  for (const item of items) {
    const k = String(key(item));
    let e = have.get(k);
    have.delete(k);
    if (!e) {
      e = make(item);
      e.dataset.key = k;
    }
    update?.(e, item);
    const next = before ? before.nextSibling : parent.firstChild;
    if (e !== next) parent.insertBefore(e, next);
    before = e;
  }
  for (const e of have.values()) e.remove();
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}
