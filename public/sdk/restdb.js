// RestDB's calls for pages that were written for it:
//
//   <script src="https://host/rest/_jsapi.js"></script>
//   var db = new restdb("KEY", { realtime: true });
//   db.on("PUT", function (err, data) { … });
//   db.publish("boing", { name: "value" }, function (err, answer) { … });
//
//   new db.chat({ text: "hello" }).save(function (err, doc) { … });
//   db.chat.find({ text: "hello" }, { $max: 10 }, function (err, docs) { … });
//   db.chat.on("POST", function (err, data) { … });
//
// Any name but those of db's own methods is a collection; db.collection("on") is one of any name, and the way where
// there is no Proxy. CONNECT comes behind all that was missed: a page that loads everything then shows nothing twice.
// It gets events through sluice.js. Where that cannot be imported (Node's vm, a strict policy), it uses a plain EventSource:
// it loses nothing either, but puts the key into the address.
(global => {
  "use strict";

  const KINDS = ["POST", "PUT", "DELETE"], NOTICES = ["CONNECT", "DISCONNECT", "RECONNECT"];
  const META = ["_created", "_changed", "_createdby", "_changedby", "_version"]; // not in every answer
  const SILENCE = 40000, MOST_SILENCE = 300000; // the gateway pings every 15 s, if it is not set otherwise
  const LOADING = 10000, OPENING = 10000; // how long sluice.js may take, and how long calls wait for the stream
  const PUBLISHING = 90000, TRYING = 25000; // a publish, and one attempt: the gateway knows its key for two minutes
  const ANSWERING = 90000, MOST_PAUSE = 60000; // any other call
  const home = whence();

  // whence is the address of the gateway that served this script, with its path prefix.
  function whence() {
    const script = global.document && global.document.currentScript;
    if (script && script.src) return script.src.replace(/\/(rest\/_jsapi|sdk\/restdb)\.js([?#].*)?$/, "");
    return global.location ? global.location.origin : "";
  }

  function restdb(key, options) {
    if (!(this instanceof restdb)) return new restdb(key, options);
    options = options || {};
    const collections = Object.create(null);
    const log = options.logging && global.console ? (...what) => console.log("restdb:", ...what) : () => {};
    let listeners = [], closed = false, present = false, before = false, settle = () => {}, hearing;
    let line = Promise.resolve(), moved = 0; // publishes that wait, and when the gateway last answered one

    // Calls wait, but not long, until the stream is open or refused, so that a page gets its own events.
    const settled = options.realtime ? within(OPENING, new Promise(done => { settle = done; })).catch(() => {}) : Promise.resolve();

    // Notices and kinds are apart from names, so that nobody can publish a CONNECT.
    function emit(type, name, err, data) {
      log(name, err || data || "");
      listeners.forEach(l => {
        if (closed || l.type !== type || l.name !== name) return; // the listener before may have closed
        try {
          l.callback(err, data);
        } catch (fault) {
          setTimeout(() => { throw fault; });
        }
      });
    }

    const isToken = options.jwt === true; // as RestDB has it; the token may be the option, too
    const side = {
      base: String(options.url || home).replace(/\/+$/, ""), jwt: isToken ? key : options.jwt, log,
      key: options["realtime-api-key"] || (isToken ? "" : key) || "",
      reconnectdelay: options.reconnectdelay > 0 ? Number(options.reconnectdelay) : 5000,
      // live is called when the stream is open and all that was missed has come.
      live() {
        if (present) return;
        present = true;
        if (before) emit("notice", "RECONNECT", null, null);
        before = true;
        emit("notice", "CONNECT", null, null);
        settle();
      },
      anew() { present = false; },
      cut(err) {
        present = false;
        emit("notice", "DISCONNECT", err || null, null);
        settle();
      },
      event(data) {
        const kind = String(data.event).toUpperCase();
        if (KINDS.includes(kind)) emit("kind", kind, null, data);
        else emit("name", data.event, null, data);
      },
    };
    if (options.realtime)
      hearing = within(LOADING, import((home || side.base) + "/sdk/sluice.js")).then(sdk => closed || modern(sdk, side)).catch(why => {
        log("without sluice.js:", why);
        return closed || plain(side);
      });

    function listen(name, callback) {
      if (!options.realtime) return;
      const type = KINDS.includes(name) ? "kind" : NOTICES.includes(name) ? "notice" : "name";
      listeners.push({ type, name, callback });
    }
    this.on = listen;

    // answer calls back in a turn of its own: what a callback throws is not ours.
    function answer(asked, callback, what) {
      const late = (err, said) => setTimeout(() => {
        if (callback) callback(err, said);
        else if (err) log(what, err);
      });
      asked.then(said => late(null, said), err => late(err, null));
    }

    // Events are stored in the order of the calls. The time of one that waits for others counts while they do not move.
    this.publish = (name, data, callback) => {
      const text = JSON.stringify({ event: name, data }); // of now: what the page changes while it waits is not meant
      const called = Date.now();
      const stored = Promise.all([line, settled]).then(() => store(side, text, Math.max(called, moved) + PUBLISHING));
      line = stored.then(() => true, err => err.final).then(went => { moved = went ? Date.now() : moved; });
      answer(stored, callback, "not published:");
    };

    function call(method, path, body, callback) {
      const text = JSON.stringify(body); // of now, as above
      answer(settled.then(() => ask(side, method, "/rest/" + path, text, ANSWERING)), callback, method + " " + path);
    }

    this.close = () => {
      closed = true;
      listeners = [];
      settle(); // no stream is opened any more for calls to wait for
      if (hearing) hearing.then(way => way.close && way.close());
    };

    this.collection = name => collections[name] || (collections[name] = collection(name, call, listen));

    if (typeof Proxy === "function") return new Proxy(this, { get: (db, name) => name in db || !isCollection(name) ? db[name] : db.collection(name) });
  }

  // isCollection leaves out what a promise and JSON.stringify look for in any object.
  function isCollection(name) {
    return typeof name === "string" && /^[A-Za-z0-9_-]{1,128}$/.test(name) && name !== "then" && name !== "toJSON";
  }

  function has(object, name) { return Object.prototype.hasOwnProperty.call(object, name); }

  // fill gives a document its fields, and returns it; one that is called __proto__ is set, and takes no call away.
  function fill(doc, fields) {
    Object.keys(fields || {}).forEach(name => {
      Object.defineProperty(doc, name, { value: fields[name], configurable: true, enumerable: true, writable: true });
    });
    return doc;
  }

  // collection makes the class of a collection's documents.
  function collection(name, call, listen) {
    const stored = new WeakMap(); // of each document the names of the fields that the gateway has

    function Document(fields) {
      if (!(this instanceof Document)) return new Document(fields);
      fill(this, fields);
    }

    // changed returns what a PUT of the document says: its fields, and which of those that the gateway has are gone.
    // A PUT keeps the fields that it does not name.
    function changed(doc) {
      const gone = (stored.get(doc) || []).filter(field =>
        (!has(doc, field) || doc[field] === undefined) && !META.includes(field) && !/^$|^\$|\./.test(field));
      if (!gone.length) return doc;
      const unset = Object.create(null);
      gone.forEach(field => { unset[field] = 1; });
      return fill(fill({}, doc), { $unset: unset });
    }

    // path is a document's own, "" where it has none yet.
    function path(doc) { return doc._id ? name + "/" + encodeURIComponent(doc._id) : ""; }

    function take(doc, callback) {
      return (err, answer) => {
        if (err) return callback && callback(err, null);
        Object.keys(doc).forEach(field => {
          if (!META.includes(field) && !has(answer, field)) delete doc[field]; // it is gone
        });
        fill(doc, answer);
        stored.set(doc, Object.keys(answer));
        if (callback) callback(null, doc);
      };
    }

    function unsaved(callback, what) {
      if (callback) setTimeout(() => callback(new Error("it has no _id: save it before you " + what + " it"), null));
    }

    Document.prototype = {
      constructor: Document,
      toString() { return name; },
      save(callback) {
        call(this._id ? "PUT" : "POST", path(this) || name, this._id ? changed(this) : this, take(this, callback));
      },
      reload(callback) {
        if (!this._id) return unsaved(callback, "reload");
        call("GET", path(this), undefined, take(this, callback));
      },
      delete(callback) {
        if (!this._id) return unsaved(callback, "delete");
        call("DELETE", path(this), undefined, callback);
      },
      // As RestDB's: the callback is given the document, and then the event.
      on(kind, callback) {
        listen(kind, (err, event) => {
          if (event && event.collection === name && this._id && [].concat(event.data).includes(this._id)) callback(null, this, event);
        });
      },
    };

    Document.find = (query, hints, callback) => {
      if (typeof query === "function") return Document.find(null, null, query);
      if (typeof hints === "function") return Document.find(query, null, hints);
      hints = Object.assign({}, hints);
      const address = name + "?q=" + encodeURIComponent(JSON.stringify(query || {})) + (hints.metafields ? "&metafields=true" : "");
      delete hints.metafields;
      call("GET", address + "&h=" + encodeURIComponent(JSON.stringify(hints)), undefined, (err, answer) => {
        if (!callback) return;
        if (err) return callback(err, null);
        callback(null, Array.isArray(answer) ? answer.map(fields => {
          const doc = new Document(fields);
          stored.set(doc, Object.keys(fields));
          return doc;
        }) : answer);
      });
    };
    Document.getById = (id, callback) => { new Document({ _id: id }).reload(callback); };
    Document.on = (kind, callback) => {
      listen(kind, (err, event) => { if (event && event.collection === name) callback(null, event); });
    };
    return Document;
  }

  // ask sends a call and gives what the answer's JSON says. Final are only the gateway's own refusals, which have a
  // code: what a proxy on the way says will pass.
  async function ask(side, method, path, body, ms, more) {
    const headers = Object.assign({ "content-type": "application/json", "cache-control": "no-cache" }, more);
    if (side.key) headers["x-apikey"] = side.key;
    if (side.jwt) headers.authorization = "Bearer " + side.jwt;
    const asked = (global.fetch ? fetched : requested)(method, side.base + path, headers, body, ms);
    const [status, said, after] = await within(ms, asked).catch(() => [0, ""]);
    let answer;
    try {
      answer = JSON.parse(said);
    } catch (e) {} // it is not the gateway's
    if (answer && status >= 200 && status < 300) return answer;
    const ours = answer && typeof answer.code === "string", moved = status >= 300 && status < 400;
    const what = ours ? answer.message : moved ? "the gateway's address leads elsewhere: is it http for https?" :
      status ? "the answer was " + status + ", and not the gateway's" : "the gateway could not be reached";
    throw Object.assign(new Error(what), ours && { code: answer.code }, {
      status, final: Boolean(moved || ours && status < 500 && status !== 408 && status !== 429), after: Math.min(MOST_PAUSE, 1000 * after || 0),
    });
  }

  // store repeats a publish under one key, so that it is stored once, until the gateway has it or has refused it.
  async function store(side, text, until) {
    const key = [1, 2, 3].map(() => Math.random().toString(36).slice(2)).join("-");
    let last = new Error("those published before it took all its time");
    for (let failures = 0; ; failures++) {
      const left = until - Date.now();
      if (left <= 0) throw last;
      try {
        const answer = await ask(side, "POST", "/realtime", text, Math.min(TRYING, left), { "idempotency-key": key });
        if (answer.id) return answer;
        last = new Error("the answer was not the gateway's");
      } catch (err) {
        if (err.final) throw err;
        last = err;
      }
      await new Promise(done => setTimeout(done, Math.min(last.after || growing(500, Math.min(failures, 4)), until - Date.now())));
    }
  }

  // growing is the pause after a number of failures, spread so that not all come back together.
  function growing(ms, failures) { return Math.min(MOST_PAUSE, ms * 2 ** failures) * (0.5 + Math.random() / 2); }

  // within fails where promise takes longer than ms.
  function within(ms, promise) {
    let timer;
    const late = new Promise((_, fail) => { timer = setTimeout(fail, ms, new Error("it took too long")); });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  // fetched and requested give the status, the body and Retry-After. A POST is not redirected: it would become a GET.
  async function fetched(method, address, headers, body, ms) {
    const signal = global.AbortSignal && global.AbortSignal.timeout ? global.AbortSignal.timeout(ms) : undefined;
    const redirect = method === "GET" ? "follow" : "manual";
    const r = await global.fetch(address, { method, headers, body, redirect, signal, credentials: "omit" });
    return [r.type === "opaqueredirect" ? 301 : r.status, await r.text(), r.headers.get("retry-after")];
  }

  function requested(method, address, headers, body, ms) {
    return new Promise(done => {
      const r = new global.XMLHttpRequest();
      const end = () => done([r.status, r.responseText, r.getResponseHeader && r.getResponseHeader("retry-after")]);
      r.onreadystatechange = () => { if (r.readyState === 4) end(); };
      r.onload = r.onerror = end;
      r.open(method, address, true);
      r.timeout = ms;
      for (const name in headers) r.setRequestHeader(name, headers[name]);
      r.send(body);
    });
  }

  // modern gets events through the SDK: one connection for all tabs, credentials in headers.
  function modern(sdk, side) {
    const rt = sdk.connect(side.base, { apikey: side.key || undefined, token: side.jwt });
    rt.on("*", e => {
      const data = Object.assign({}, e);
      delete data.id; // RestDB has it in the frame alone
      side.event(data);
    });
    rt.on("live", side.live);
    rt.on("reconnect", side.anew);
    rt.on("disconnect", why => {
      side.log("cut:", why.reason);
      side.cut();
    });
    rt.on("gap", gap => side.log("events were missed:", gap));
    rt.on("error", err => {
      if (global.console) console.error("restdb: " + err.message);
      side.cut(err);
    });
    return rt;
  }

  const streams = new Set(), each = what => streams.forEach(s => s[what]());
  if (global.addEventListener) {
    global.addEventListener("online", () => each("open")); // what is open may be of the network before, and dead
    global.addEventListener("pagehide", () => each("drop")); // in the back/forward cache no page has a connection
    global.addEventListener("pageshow", () => each("wake"));
    global.addEventListener("visibilitychange", () => { if (!global.document.hidden) each("wake"); });
  }

  // plain gets events through an EventSource, as RestDB's own client does. It opens a new one each time: by itself one gives up for good
  // on a proxy's error, and waits the whole retry time after any cut.
  function plain(side) {
    const key = encodeURIComponent(side.key), token = side.jwt && encodeURIComponent(side.jwt);
    // Custom events come under one name, since a listener has to be there for each.
    const address = side.base + "/realtime?" + (token ? `jwt=${token}&rt-apikey=${key || token}` : "apikey=" + key) + "&frames=publish";
    let stream, timer, last = "", failures = 0, silence = SILENCE;

    function open() {
      drop();
      let own, pinged = 0;
      const first = !last; // it has missed nothing; who comes back asks for "live" behind what was missed, by from=now
      try {
        own = stream = new global.EventSource(address + (first ? "" : "&from=now&lastEventId=" + encodeURIComponent(last)));
      } catch (err) {
        return lost(err);
      }
      patient();
      own.onerror = () => { if (own === stream) lost(); };
      ["message", "ping", "gap", "busy", "live", "post", "put", "delete", "publish"].forEach((type, i) => own.addEventListener(type, e => {
        if (own !== stream) return;
        last = e.lastEventId || last;
        if (type === "ping") {
          const now = Date.parse(e.data);
          if (pinged && now > pinged) silence = Math.min(MOST_SILENCE, Math.max(5000, 2.5 * (now - pinged)));
          pinged = now;
          failures = 0; // it holds; one that is cut again and again must come back less often
        }
        patient();
        if (type === "busy") failures = failures || 1;
        if (type === "gap") side.log("events were missed:", e.data);
        if (type === "live" || first && type === "message") side.live();
        if (i > 4) side.event(JSON.parse(e.data));
      }));
    }

    function patient() {
      clearTimeout(timer);
      timer = setTimeout(() => {
        silence = Math.min(MOST_SILENCE, 2 * silence); // it may ping less often
        lost();
      }, silence);
    }

    // lost goes on within a second after the first cut, then with pauses that grow.
    function lost(err) {
      drop();
      const delay = failures ? growing(2 * side.reconnectdelay, failures - 1) : Math.random() * Math.min(1000, side.reconnectdelay);
      failures++;
      timer = setTimeout(open, delay);
      side.cut(err);
    }

    function drop() {
      clearTimeout(timer);
      if (stream) stream.close();
      stream = null;
    }

    const way = { open, drop, wake() { if (!stream) open(); }, close() { drop(streams.delete(way)); } };
    streams.add(way);
    open();
    return way;
  }

  global.restdb = restdb;
  if (!("db" in global)) global.db = restdb;
})(typeof globalThis !== "undefined" ? globalThis : this);
