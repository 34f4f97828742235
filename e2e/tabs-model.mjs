// One run of the model: tabs of one profile open, close, hang and wake at random, the network is cut, credentials change,
// and events flow all the time.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, poll } from "./gateway.mjs";
import { Proxy, connections, jwt, key, settings } from "./sdk-tools.mjs";
import { ways } from "./tab-browsers.mjs";
import { faults } from "./tabs-verdict.mjs";

const admin = "tabs-admin-0123456789";
const groups = [
  { user: "ada", channels: ["a", "b"], weight: 6 },
  { user: "bob", channels: ["b", "c"], weight: 2 },
  { user: "ada", channels: ["c"], weight: 2 },
];
const channels = ["a", "b", "c"];
const rate = 50; // events a second
const mostHung = 3; // of a group: each may hold one of the browser's six connections to an address

// random: mulberry32, so that a seed gives the same run everywhere.
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = a + 0x6d2b79f5 | 0;
    let t = Math.imul(a ^ a >>> 15, 1 | a);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

export class Model {
  tabs = [];
  events = [];
  steps = [];
  found = []; // faults
  users = { ada: { generation: 0, ttl: 60 }, bob: { generation: 0, ttl: 60 } };
  weights = { open: 5, close: 2, hang: 4, wake: 3, cut: 3, net: 2, credential: 2, hear: 1.5, restart: 0.5 };

  constructor({ browser, seed, most, patience, sdk, only }) {
    Object.assign(this, { browser, seed, most, patience, only });
    this.rnd = random(seed);
    this.source = readFileSync(sdk || join(import.meta.dirname, "..", "public", "sdk", "sluice.js"));
    for (const op of Object.keys(this.weights)) if (only && !only.includes(op)) delete this.weights[op];
  }

  async start() {
    this.gateway = new Gateway({ ...settings, ADMIN_KEY: admin });
    this.base = await this.gateway.start();
    this.groups = groups.slice(0, this.most > 8 ? 3 : 2).map(g => ({ ...g }));
    for (const g of this.groups) {
      g.proxy = new Proxy(this.base);
      await g.proxy.start();
    }
    this.site = createServer((request, answer) => this.serve(new URL(request.url, "http://x"), answer));
    await once(this.site.listen(0, "127.0.0.1"), "listening");
    this.url = `http://127.0.0.1:${this.site.address().port}/`;
    await this.browser.profile();
    this.began = Date.now();
    this.publishing = this.publisher();
  }

  // serve is the application: pages, the SDK, and tokens.
  serve({ pathname, searchParams }, answer) {
    const type = { "/sluice.js": "text/javascript", "/token": "text/plain" }[pathname] ?? "text/html";
    if (pathname === "/token" && this.down) return answer.writeHead(500, { "cache-control": "no-store" }).end("down");
    answer.writeHead(200, { "content-type": type, "cache-control": "no-store" });
    if (pathname === "/sluice.js") return answer.end(this.source);
    if (pathname !== "/token") return answer.end("<!doctype html><title>tab</title>");
    const name = searchParams.get("user"), user = this.users[name];
    answer.end(jwt(user.ttl, { sub: name, jti: `${name}-${user.generation}` }));
  }

  async publisher() {
    const rnd = random(this.seed + 1);
    for (let due = Date.now(); !this.quiet; due = Math.max(due + 1000 / rate, Date.now() - 1000)) {
      await sleep(due - Date.now());
      await this.publish(channels[Math.floor(rnd() * channels.length)]);
    }
  }

  // publish takes turns with itself, so that n grows as ids do; it repeats until the gateway is back.
  publish(channel) {
    return this.turn = (this.turn ?? Promise.resolve()).then(async () => {
      const event = { n: this.events.length, channel, sent: Date.now() };
      const headers = { "x-apikey": key, "content-type": "application/json", "idempotency-key": `${this.seed}-${event.n}` };
      const body = JSON.stringify({ event: channel, data: { n: event.n } });
      const r = await poll("the gateway", () => fetch(this.base + "/realtime", { method: "POST", body, headers }).then(r => r.ok && r, () => null), 30_000);
      event.id = (await r.json()).id;
      event.acked = Date.now();
      this.events.push(event);
      return event;
    });
  }

  pick(list) { return list[Math.floor(this.rnd() * list.length)]; }

  weighted(list) {
    let at = this.rnd() * list.reduce((sum, [, w]) => sum + w, 0);
    return list.find(([, w]) => (at -= w) < 0)[0];
  }

  // some is often the oldest, which in most runs is the one that leads.
  some(list) { return this.rnd() < 0.5 ? list[0] : this.pick(list); }

  awake() { return this.tabs.filter(t => !t.hung); }
  hung() { return this.tabs.filter(t => t.hung); }

  note(text) { this.steps.push(`${String(Date.now() - this.began).padStart(6)} ${text}`); }

  fault(text) {
    this.note("FAULT " + text);
    this.found.push(text);
  }

  async step() {
    const can = {
      open: this.tabs.length < this.most, close: this.tabs.length > 2, hang: this.awake().length > 1, wake: this.hung().length > 0,
    };
    await this[this.weighted(Object.entries(this.weights).filter(([op]) => can[op] ?? true))]();
    await sleep(50 + this.rnd() * 350);
  }

  place() {
    return this.weighted([["now", 7], ["resume", 2], ["odd", 1]].filter(([p]) => !this.only || p === "now" || this.only.includes(p)));
  }

  async open(group = this.weighted(this.groups.map(g => [g, g.weight])), place = this.place()) {
    const back = Math.floor(this.rnd() * 200), odd = this.pick(["9007199254740991", "abc", "1"]);
    const event = this.events.at(-1 - back) ?? this.events[0];
    if (!event) place = "now";
    const lastEventId = { resume: event?.id, odd }[place];
    const name = this.count = (this.count ?? 0) + 1;
    this.note(`open ${name} ${group.user} ${group.channels} ${place}${place === "resume" ? ` behind ${event.n}` : place === "odd" ? " " + odd : ""}`);
    const tab = await this.browser.open(this.url);
    await tab.evaluate(async ([address, user, channels, lastEventId]) => {
      const { connect } = await import("/sluice.js");
      window.log = [];
      window.told = [];
      for (const fault of ["error", "unhandledrejection"]) addEventListener(fault, e => told.push(["uncaught", Date.now(), String(e.reason ?? e.message)]));
      // A tab that hung hears late what the others said meanwhile: prompt is since when it may have waited.
      let beat = Date.now(), woke = 0, hung = 0;
      const behind = now => now - beat > 100, recent = now => now - woke < 1000;
      setInterval(() => {
        const now = Date.now();
        if (behind(now)) [hung, woke] = [recent(now) ? hung : beat, now];
        beat = now;
      }, 50);
      const prompt = (now = Date.now()) => recent(now) ? hung : behind(now) ? beat : now;
      const token = async () => {
        // Without it Firefox lets a request wait for another tab's that is the same, for up to 20 s.
        const r = await fetch("/token?user=" + user, { cache: "no-store" });
        if (!r.ok) throw Error("no token: " + r.status);
        return r.text();
      };
      window.rt = connect(address, { token, channels, lastEventId });
      window.opened = Date.now();
      for (const c of channels) rt.on(c, e => log.push({ n: e.data.n, at: Date.now() }));
      rt.on("gap", g => log.push({ gap: g.reason, at: Date.now() }));
      for (const notice of ["connect", "live", "disconnect", "reconnect", "expired", "error"]) rt.on(notice, e => told.push([notice, Date.now(), e.message ?? e.reason, log.length, prompt()]));
    }, [group.proxy.url, group.user, group.channels, lastEventId]);
    this.tabs.push(Object.assign(tab, { name, group, place, after: event?.n }));
  }

  async close() {
    const tab = this.some(this.tabs);
    this.note(`close ${tab.name}${tab.hung ? ", which hangs" : ""}`);
    if (!tab.hung) await this.judge(tab, false);
    const with_ = tab.hung === "stop" ? this.tabs.filter(t => t.pid === tab.pid) : [tab];
    this.tabs = this.tabs.filter(t => !with_.includes(t));
    for (const t of with_) await t.close();
  }

  async hang(tab = this.some(this.awake()), way = this.pick(ways(this.browser.name))) {
    if (this.hung().filter(t => t.group === tab.group).length >= mostHung) return;
    this.note(`hang ${tab.name} ${way}`);
    if (way === "stop") for (const t of this.awake()) await t.process(); // tabs may share one
    await tab.hang(way);
    for (const t of this.tabs) if (t.hung === null && way === "stop" && t.pid === tab.pid) t.hung = "stop";
  }

  async wake(tab = this.pick(this.hung())) {
    this.note(`wake ${tab.name} ${tab.hung}`);
    const pid = tab.hung === "stop" && tab.pid;
    await tab.wake();
    for (const t of this.tabs) if (pid && t.pid === pid) t.hung = null;
  }

  // cut ends all connections of a group, or one of them.
  cut() {
    const { proxy } = this.pick(this.groups), all = this.rnd() < 0.5;
    this.note(all ? "cut all" : "cut one");
    if (all) proxy.cut();
    else this.pick([...proxy.pairs])?.near.destroy();
  }

  // net is trouble that lasts until heal.
  async net() {
    const { proxy } = this.pick(this.groups), how = this.pick(["stall", "silence", "refuse"]);
    if (proxy.trouble) return this.heal();
    this.note(how);
    proxy.trouble = how;
    if (how === "stall") for (const { far } of proxy.pairs) far.pause();
    if (how === "silence") proxy.silent = true;
    if (how === "refuse") {
      proxy.port = proxy.server.address().port;
      const closed = once(proxy.server, "close");
      proxy.server.close();
      proxy.cut();
      await closed;
    }
  }

  async heal() {
    this.down = false;
    for (const { proxy } of this.groups.filter(g => g.proxy.trouble)) {
      this.note(`heal ${proxy.trouble}`);
      if (proxy.trouble === "stall") for (const { far } of proxy.pairs) far.resume();
      if (proxy.trouble === "silence") {
        proxy.silent = false;
        proxy.cut(); // what it swallowed is gone
      }
      if (proxy.trouble === "refuse") await once(proxy.server.listen(proxy.port, "127.0.0.1"), "listening");
      proxy.trouble = null;
    }
  }

  // credential gives a user new tokens and revokes the old; now and then while the application has a fault.
  async credential() {
    const name = this.pick(Object.keys(this.users)), user = this.users[name], old = `${name}-${user.generation++}`;
    user.ttl = this.pick([5, 60]);
    this.down = this.rnd() < 0.3;
    this.note(`credential ${name}, now for ${user.ttl} s${this.down ? ", and the application is down" : ""}`);
    const call = () => fetch(this.base + "/admin/revocations", { method: "POST", body: JSON.stringify({ jti: old }), headers: { "x-apikey": admin } });
    await poll("a revocation", () => call().then(r => r.status === 201, () => false));
  }

  async restart() {
    this.note("restart");
    await this.gateway.stop();
    await this.gateway.start();
  }

  // hear: with the network well, every tab that does not hang hears what is published from now on, whoever hangs.
  async hear(patience = this.patience) {
    await this.heal();
    const mark = this.events.length, end = Date.now() + patience;
    this.note(`hear ${this.awake().length} of ${this.tabs.length}`);
    const heard = async tab => {
      const [last, state] = await tab.evaluate(() => [log.findLast(e => e.n !== undefined)?.n ?? -1, rt.state]);
      if (last < mark && Date.now() > end) {
        const hang = this.hung().filter(t => t.group === tab.group).length;
        this.fault(`tab ${tab.name} hears nothing for ${patience} ms and says ${state}; ${hang} of its group hang`);
      }
      return last >= mark || Date.now() > end;
    };
    for (let left = this.awake(); left[0]; await sleep(100)) {
      for (const c of channels) await this.publish(c); // again and again: a tab that connects late begins then
      const ready = await Promise.all(left.map(heard));
      left = left.filter((_, i) => !ready[i]);
    }
  }

  async judge(tab, whole) {
    const seen = await tab.evaluate(() => ({ log, told, opened, state: rt.state }));
    for (const [notice, , text] of seen.told) if (notice === "uncaught") this.fault(`tab ${tab.name}: uncaught ${text}`);
    if (seen.state === "closed") this.fault(`tab ${tab.name} has closed for good: ${JSON.stringify(seen.told.slice(-3))}`);
    for (const f of faults({ ...seen, place: tab.place, after: tab.after, channels: tab.group.channels, whole }, this.events)) this.fault(`tab ${tab.name}: ${f}`);
  }

  // finish heals and wakes all, and then every tab has everything, over one connection for each group.
  async finish() {
    for (let t; (t = this.hung()[0]);) await this.wake(t);
    this.quiet = true;
    await this.publishing;
    await this.hear(2 * this.patience);
    await this.settle();
    for (const tab of this.tabs) await this.judge(tab, true);
    const want = new Set(this.tabs.map(t => t.group)).size;
    await poll("", async () => await connections(this.base) === want, this.patience)
      .catch(async () => this.fault(`${await connections(this.base)} connections for ${want} groups`));
  }

  // settle waits until each tab has the last event of its channels; judge tells of those that never have.
  async settle() {
    await sleep(200); // more than the verdict's slack: these every tab must have
    for (const c of channels) await this.publish(c);
    const settled = tab => tab.evaluate(n => log.findLast(e => e.n !== undefined)?.n === n, this.events.findLast(e => tab.group.channels.includes(e.channel)).n);
    await Promise.all(this.tabs.map(tab => poll("", () => settled(tab), this.patience).catch(() => {})));
  }

  async stop() {
    this.quiet = true;
    await this.publishing?.catch(() => {});
    for (const t of this.hung()) await t.wake().catch(() => {});
    await this.browser.context.close();
    this.site?.close();
    this.site?.closeAllConnections();
    this.groups?.forEach(g => g.proxy.stop());
    await this.gateway.remove();
  }
}
