// Tabs of a real browser that can hang: Chromium, and Debian's Firefox.
import { readFileSync } from "node:fs";
import { launch } from "./browsers.mjs";
import { poll } from "./gateway.mjs";

// Firefox keeps the tabs of an origin in four processes at most; one for each tab makes a busy tab the only one that hangs.
const processes = { firefox: { firefoxUserPrefs: { "dom.ipc.processCount.webIsolated": 30 } } };

// ways in which a tab can hang. A stopped process is found in Chromium alone.
export const ways = name => name === "chromium" ? ["alert", "busy", "stop"] : ["alert", "busy"];

export class Browser {
  static async launch(name) {
    const b = new Browser();
    b.name = name;
    b.browser = await launch(processes, name);
    if (name === "chromium") b.system = await b.browser.newBrowserCDPSession();
    return b;
  }

  // profile begins anew: its tabs share locks and channels with each other, and with no earlier tab.
  async profile() {
    await this.context?.close();
    this.context = await this.browser.newContext();
  }

  async open(url) {
    const tab = new Tab(this, await this.context.newPage());
    await tab.page.goto(url);
    return tab;
  }

  close() { return this.browser.close(); }
}

export class Tab {
  hung = null; // the way

  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
    page.on("dialog", d => { this.dialog = d; }); // with a listener, playwright leaves it open
  }

  evaluate(f, x) { return this.page.evaluate(f, x); }

  // hang returns once the tab hangs.
  async hang(way) {
    this.hung = way;
    if (way === "stop") process.kill(await this.process(), "SIGSTOP");
    else if (way === "alert") {
      await this.evaluate(() => { setTimeout(() => alert("hung"), 0); });
      await poll("a dialog", () => this.dialog);
    } else await this.evaluate(() => { setTimeout(() => { for (const end = Date.now() + 4000; Date.now() < end;); }, 0); });
  }

  // wake returns once the tab answers.
  async wake() {
    if (this.hung === "stop") process.kill(this.pid, "SIGCONT");
    await this.dialog?.dismiss();
    this.hung = this.dialog = null;
    await this.evaluate(() => 0);
  }

  // close takes a hung tab too; a stopped one dies, as by the system's lack of memory.
  async close() {
    if (this.hung === "stop") process.kill(this.pid, "SIGKILL");
    await this.page.close();
  }

  // process is the pid of the tab's renderer: the one process whose CPU time is what the tab says of its own.
  async process() {
    if (this.pid) return this.pid;
    const cdp = await this.page.context().newCDPSession(this.page);
    await cdp.send("Performance.enable");
    const times = async () => new Map((await this.browser.system.send("SystemInfo.getProcessInfo")).processInfo
      .filter(p => p.type === "renderer").map(p => [p.id, p.cpuTime]));
    let left;
    for (let n = 1; !left || left.length > 1; n++) {
      if (n > 50) throw new Error(`the tab's process may be any of ${left}`);
      await this.evaluate(ms => { for (const end = Date.now() + ms; Date.now() < end;); }, 20 * n);
      const before = await times();
      const own = (await cdp.send("Performance.getMetrics")).metrics.find(m => m.name === "ProcessTime").value;
      const after = await times(), tick = 0.02;
      left = (left ?? [...after.keys()]).filter(pid => before.get(pid) <= own + tick && after.get(pid) >= own - tick);
      if (!left.length) left = undefined; // a tick was late: look again
    }
    await cdp.detach();
    const status = readFileSync(`/proc/${left[0]}/cmdline`, "latin1");
    if (!status.includes("--type=renderer")) throw new Error(`${left[0]} is no renderer`);
    return this.pid = left[0];
  }
}
