// The documents of a collection, kept up to date. onChange gets an id and the document, or undefined when it is gone.
export class Documents {
  #all = new Map();
  #changed = new Set(); // ids whose documents must be read again
  #reading = false;
  #session; // the gateway's address and a token
  loaded = false;
  onChange = () => {};
  onState = () => {};

  constructor(collection) {
    this.collection = collection;
  }

  get(id) {
    return this.#all.get(id);
  }

  insert = doc => this.#ask("POST", "", doc);
  change = (id, changes) => this.#ask("PATCH", `/${id}`, changes);
  remove = id => this.#ask("DELETE", `/${id}`);
  read = async id => (await this.#ask("GET", `?metafields=true&q=${encodeURIComponent(JSON.stringify({ _id: id }))}`))[0];

  // start follows the events first, and then reads the list. So no change falls between them.
  async start() {
    const { gateway } = await this.#sign();
    const { connect } = await import(`${gateway}/sdk/sluice.js`);
    const rt = connect(gateway, { token: async () => (await this.#sign()).token });
    rt.on(`*:${this.collection}`, e => {
      if (e.event === "post") this.#set(e.data._id, e.data);
      if (e.event === "put") this.#refresh(e.data); // the event has the id only
      if (e.event === "delete") for (const id of e.data) this.#refresh(id);
    });
    rt.on("disconnect", () => this.onState("No connection, trying again", "bad"));
    rt.on("gap", () => this.#load()); // events were missed
    rt.on("error", e => this.onState(e.message, "bad"));
    await new Promise(done => rt.on("connect", () => {
      this.onState("Connected", "good");
      done();
    }));
    await this.#load();
    this.loaded = true;
  }

  async #load() {
    const all = await this.#ask("GET", "?metafields=true&max=1000");
    for (const doc of all) this.#set(doc._id, doc);
    const ids = new Set(all.map(doc => doc._id));
    for (const id of this.#all.keys()) if (!ids.has(id)) this.#refresh(id);
  }

  // set takes a document, unless a newer one is there already. _version is new after each change.
  #set(id, doc) {
    if (doc && this.#all.get(id)?._version >= doc._version) return;
    if (doc) this.#all.set(id, doc);
    else this.#all.delete(id);
    this.onChange(id, doc);
  }

  // refresh reads documents again. What changes while a request is on its way is in the next one, all of it together.
  async #refresh(id) {
    this.#changed.add(id);
    if (this.#reading) return;
    this.#reading = true;
    for (let pause = 1000; this.#changed.size;) {
      const ids = [...this.#changed].slice(0, 100);
      for (const i of ids) this.#changed.delete(i);
      try {
        const found = await this.#ask("GET", `?metafields=true&q=${encodeURIComponent(JSON.stringify({ _id: { $in: ids } }))}`);
        for (const i of ids) this.#set(i, found.find(doc => doc._id === i));
      } catch {
        for (const i of ids) this.#changed.add(i);
        await new Promise(done => setTimeout(done, pause));
        pause = Math.min(2 * pause, 30_000);
      }
    }
    this.#reading = false;
  }

  async #sign() {
    const r = await fetch("session", { cache: "no-store" });
    if (!r.ok) throw Error((await r.json()).message);
    return this.#session = await r.json();
  }

  async #ask(method, path, body, again = true) {
    const { gateway, token } = this.#session;
    const r = await fetch(`${gateway}/rest/${this.collection}${path}`, {
      method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    });
    if (r.status === 401 && again) { // the token has ended
      await this.#sign();
      return this.#ask(method, path, body, false);
    }
    const answer = await r.json();
    if (!r.ok) throw Object.assign(Error(answer.message), { status: r.status });
    return answer;
  }
}
