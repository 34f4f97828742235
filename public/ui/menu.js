// The menu: the pages of the dashboard in groups. Where the screen is narrow, a button opens it.
import { $, act, el, setText } from "./dom.js";

const links = new Map();

// open shows the menu on a narrow screen; on a wide one it always shows.
function open(yes) {
  $("menu").setAttribute("aria-expanded", String(yes));
  $("nav").classList.toggle("open", yes);
}

const isOpen = () => $("menu").getAttribute("aria-expanded") === "true";

// startMenu makes the links. views: {id, title, group} in their order.
export function startMenu(views) {
  for (const { id, title, group } of views) {
    let list = $("nav").querySelector(`ul[aria-label="${group}"]`);
    if (!list) {
      list = el("ul", { "aria-label": group });
      $("nav").append(el("div", {}, el("p", { class: "group", "aria-hidden": "true", text: group }), list));
    }
    const link = el("a", { href: `#${id}`, text: title });
    links.set(id, link);
    list.append(el("li", {}, link));
  }
  act($("menu"), "click", () => open(!isOpen()), { again: true });
  $("nav").addEventListener("click", e => e.target.closest("a") && open(false));
  document.addEventListener("keydown", e => {
    if (e.key !== "Escape" || !isOpen() || document.querySelector("dialog[open]")) return;
    open(false);
    $("menu").focus();
  });
}

// drawMenu marks the page that shows, and hides what the credentials do not open.
export function drawMenu(now, views, allowed) {
  const shown = views.filter(v => allowed(v.id));
  for (const { id, title } of views) {
    const link = links.get(id);
    link.parentElement.hidden = !allowed(id);
    if (id === now) {
      link.setAttribute("aria-current", "page");
      setText($("menu").lastElementChild, title);
    } else link.removeAttribute("aria-current");
  }
  for (const group of $("nav").children) group.hidden = ![...group.querySelectorAll("li")].some(li => !li.hidden);
  $("nav").hidden = $("menu").hidden = shown.length < 2;
}
