// A list of the gateway that is searched there and read a page at a time: what this page does not hold can be found too.
import { act, el, message, setText } from "./dom.js";
import { list } from "./api.js";
import { count } from "./format.js";
import { onSession, session } from "./session.js";

const limit = 100;
const pause = 250; // milliseconds after the last letter of a search

export class Pages {
  entries = [];
  total = 0;
  #matching = 0;
  #queries = []; // those of the pages before this one, and its own
  #next = "";
  #asked = 0; // the last request, whose answer counts
  #at = null; // when the entries were read
  #timer = 0;
  #credential = null;

  // what: {path, term, search, count, place, draw, none, one, all, also, read}: the parameter of a search, the field and the texts that it fills,
  // where its buttons go, what shows the entries, what it says of none, what it calls one and all, a function that gives further
  // parameters, and one that reads a page in another way than list, if there are any.
  constructor(what) {
    Object.assign(this, what);
    this.fault = el("p", { class: "answer bad", role: "alert" });
    this.retry = el("button", { type: "button", class: "quiet", hidden: true, text: "Try again", onclick: () => this.load() });
    this.newer = el("button", { type: "button", class: "quiet", hidden: true, text: "Page before" });
    this.older = el("button", { type: "button", class: "quiet", hidden: true, text: "Next page" });
    act(this.newer, "click", () => void this.#turn(-1), { again: true });
    act(this.older, "click", () => void this.#turn(1), { again: true });
    this.place.append(this.fault, this.retry, this.newer, this.older);
    this.search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.first(), pause);
    });
    this.#reset();
    onSession(() => session.admin?.value !== this.#credential?.value && this.forget());
  }

  #reset() {
    const words = this.search.value.trim();
    const query = new URLSearchParams({ limit, ...this.also?.() });
    if (words) query.set(this.term ?? "search", words);
    this.#queries = [`?${query}`];
  }

  // first goes to the first page of what is searched now.
  first() {
    this.#reset();
    return this.load();
  }

  #turn(by) {
    if (by > 0 && this.#next) {
      this.#queries.push(this.#next);
      this.#next = ""; // a second click, before the answer, turns no further
    } else if (by < 0 && this.#queries.length > 1) this.#queries.pop();
    return this.load();
  }

  // forget is for another administrator or none, or for other parameters.
  forget() {
    this.#credential = session.admin;
    this.#asked++;
    Object.assign(this, { entries: [], total: 0 });
    this.#matching = 0;
    this.#at = null;
    this.#next = "";
    this.#reset();
    this.#show();
  }

  // load reads the page anew. An error shows as one: what was read before stays, and says from when it is.
  async load() {
    const credential = this.#credential = session.admin;
    if (!credential) return;
    const asked = ++this.#asked;
    let error = null, got = null;
    try {
      const query = this.#queries.at(-1);
      got = this.read ? await this.read(new URLSearchParams(query), credential) : await list(this.path, query, { credential });
    } catch (e) {
      error = e;
    }
    if (asked !== this.#asked) return;
    if (got && !got.entries.length && this.#queries.length > 1) return this.#turn(-1); // all that were there have left
    if (got) {
      this.entries = got.entries;
      this.total = got.total;
      this.#matching = got.matching;
      this.#next = got.next;
      this.#at = new Date();
    }
    this.#show(error);
  }

  #show(error = null) {
    const since = this.#at ? ` The list is from ${this.#at.toLocaleTimeString()}.` : "";
    message(this.fault, error ? `The list cannot be read (${error.status || "no answer"}): ${error.message.replace(/\.$/, "")}.${since}` : "", true);
    this.retry.hidden = !error;
    this.newer.hidden = this.#queries.length < 2;
    this.older.hidden = !this.#next;
    setText(this.count, this.#at ? this.#summary() : "");
    this.draw(this.entries);
  }

  #summary() {
    const before = (this.#queries.length - 1) * limit;
    if (this.total === null) return this.#uncounted(before + this.entries.length);
    if (!this.total) return this.none;
    const part = before || this.#next ? `, ${count(before + 1)} to ${count(before + this.entries.length)} are shown` : "";
    return (this.search.value.trim() && this.#matching !== null ? `${count(this.#matching)} of ${count(this.total)} match` : this.#named(this.total)) + part;
  }

  #named = n => `${count(n)} ${n === 1 ? this.one ?? this.all : this.all}`;

  // uncounted is for a list whose entries the gateway does not count. known are those up to the end of this page.
  #uncounted(known) {
    if (!known) return this.search.value.trim() ? "None matches." : this.none;
    return `${this.#named(known)}${this.search.value.trim() ? known === 1 ? " matches" : " match" : ""}${this.#next ? ", more follow" : ""}`;
  }
}
