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
// there is no Proxy.
//
// It stands on sluice.js. Where that cannot be imported (Node's vm, an old browser, a strict policy) a
// plain EventSource and fetch or XMLHttpRequest do: they lose nothing either, but put the key into the address.
(function (global) {
  "use strict";

  var KINDS = ["POST", "PUT", "DELETE"], NOTICES = ["CONNECT", "DISCONNECT", "RECONNECT"];
  var META = ["_created", "_changed", "_createdby", "_changedby", "_version"]; // not in every answer
  var LOOK = 20000, SILENCE = 40000; // the gateway pings every 15 s
  var home = whence();

  // whence is the address of the gateway that served this script, with its path prefix.
  function whence() {
    var script = global.document && global.document.currentScript;
    if (script && script.src) return script.src.replace(/\/(rest\/_jsapi|sdk\/restdb)\.js([?#].*)?$/, "");
    return global.location ? global.location.origin : "";
  }

  function restdb(key, options) {
    if (!(this instanceof restdb)) return new restdb(key, options);
    options = options || {};
    var listeners = [], collections = Object.create(null), settle;
    var settled = options.realtime ? new Promise(function (done) { settle = done; }) : Promise.resolve();
    var base = String(options.url || home).replace(/\/+$/, "");
    var log = options.logging && global.console ? function () { console.log.apply(console, ["restdb:"].concat([].slice.call(arguments))); } : function () {};

    // Notices and kinds are apart from names, so that nobody can publish a CONNECT.
    function tell(type, name, err, data) {
      log(name, err || data || "");
      listeners.forEach(function (l) {
        if (l.type !== type || l.name !== name) return;
        try {
          l.callback(err, data);
        } catch (fault) {
          setTimeout(function () { throw fault; });
        }
      });
    }

    var isToken = options.jwt === true; // as RestDB has it; the token may be the option, too
    var side = {
      base: base, jwt: isToken ? key : options.jwt, log: log, realtime: !!options.realtime,
      key: options["realtime-api-key"] || (isToken ? "" : key) || "",
      reconnectdelay: options.reconnectdelay || 5000,
      notice: function (name, err) {
        tell("notice", name, err || null, null);
        settle();
      },
      event: function (data) {
        var kind = String(data.event).toUpperCase();
        if (KINDS.indexOf(kind) >= 0) tell("kind", kind, null, data);
        else tell("name", data.event, null, data);
      },
    };
    var ready = load((home || base) + "/sdk/sluice.js").then(
      function (sdk) { return modern(sdk, side); },
      function (why) {
        log("without sluice.js:", why);
        return plain(side);
      });

    function listen(name, callback) {
      if (!options.realtime) return;
      var type = KINDS.indexOf(name) >= 0 ? "kind" : NOTICES.indexOf(name) >= 0 ? "notice" : "name";
      listeners.push({ type: type, name: name, callback: callback });
    }
    this.on = listen;

    // Published before all is loaded and the stream is open (or refused), it waits: so a page hears what it says.
    this.publish = function (name, data, callback) {
      callback = callback || function (err) { if (err) log("not published:", err); };
      var text = JSON.stringify(data); // of now: what the page changes while it waits is not meant
      data = text && JSON.parse(text);
      Promise.all([ready, settled]).then(function (all) {
        all[0].publish({ event: name, data: data }, function (err, answer) {
          setTimeout(function () { callback(err, answer); }); // what it throws is not ours
        });
      });
    };

    this.close = function () {
      listeners = [];
      if (settle) settle(); // no stream is opened any more for calls to wait for
      ready.then(function (way) { way.close(); });
    };

    // Like a publish, a call waits for the stream: so a page hears of what it saves.
    function call(method, path, body, callback) {
      var text = JSON.stringify(body); // of now, as above
      settled.then(function () {
        ask(side, method, "/rest/" + path, text, function (err, answer) {
          setTimeout(function () {
            if (callback) callback(err, answer);
            else if (err) log(method, path, err);
          });
        });
      });
    }

    this.collection = function (name) {
      return collections[name] || (collections[name] = collection(name, call, listen));
    };

    if (typeof Proxy !== "function") return;
    return new Proxy(this, {
      get: function (db, name) {
        return name in db || !isCollection(name) ? db[name] : db.collection(name);
      },
    });
  }

  // isCollection leaves out what a promise and JSON.stringify look for in any object.
  function isCollection(name) {
    return typeof name === "string" && /^[A-Za-z0-9_-]{1,128}$/.test(name) && name !== "then" && name !== "toJSON";
  }

  function has(object, name) { return Object.prototype.hasOwnProperty.call(object, name); }

  // fill gives a document its fields, and returns it; one that is called __proto__ is set, and takes no call away.
  function fill(doc, fields) {
    Object.keys(fields || {}).forEach(function (name) {
      Object.defineProperty(doc, name, { value: fields[name], configurable: true, enumerable: true, writable: true });
    });
    return doc;
  }

  // collection makes the class of a collection's documents.
  function collection(name, call, listen) {
    var stored = new WeakMap(); // of each document the names of the fields that the gateway has

    function Document(fields) {
      if (!(this instanceof Document)) return new Document(fields);
      fill(this, fields);
    }

    // changed returns what a PUT of the document says: its fields, and which of those that the gateway has are gone.
    // A PUT keeps the fields that it does not name.
    function changed(doc) {
      var gone = (stored.get(doc) || []).filter(function (field) {
        return (!has(doc, field) || doc[field] === undefined) && META.indexOf(field) < 0 && !/^$|^\$|\./.test(field);
      });
      if (!gone.length) return doc;
      var unset = Object.create(null);
      gone.forEach(function (field) { unset[field] = 1; });
      return fill(fill({}, doc), { $unset: unset });
    }

    // path is a document's own, "" where it has none yet.
    function path(doc) { return doc._id ? name + "/" + encodeURIComponent(doc._id) : ""; }

    function take(doc, callback) {
      return function (err, answer) {
        if (err) return callback && callback(err, null);
        Object.keys(doc).forEach(function (field) {
          if (META.indexOf(field) < 0 && !has(answer, field)) delete doc[field]; // it is gone
        });
        fill(doc, answer);
        stored.set(doc, Object.keys(answer));
        if (callback) callback(null, doc);
      };
    }

    function saved(callback, what) {
      if (callback) setTimeout(function () { callback(new Error("it has no _id: save it before you " + what + " it"), null); });
    }

    Document.prototype = {
      constructor: Document,
      toString: function () { return name; },
      save: function (callback) {
        call(this._id ? "PUT" : "POST", path(this) || name, this._id ? changed(this) : this, take(this, callback));
      },
      reload: function (callback) {
        if (!this._id) return saved(callback, "reload");
        call("GET", path(this), undefined, take(this, callback));
      },
      delete: function (callback) {
        if (!this._id) return saved(callback, "delete");
        call("DELETE", path(this), undefined, callback);
      },
      // As RestDB's: the callback is given the document, and then the event.
      on: function (kind, callback) {
        var doc = this;
        listen(kind, function (err, event) {
          if (event && event.collection === name && doc._id && [].concat(event.data).indexOf(doc._id) >= 0) callback(null, doc, event);
        });
      },
    };

    Document.find = function (query, hints, callback) {
      if (typeof query === "function") return Document.find(null, null, query);
      if (typeof hints === "function") return Document.find(query, null, hints);
      hints = Object.assign({}, hints);
      var address = name + "?q=" + encodeURIComponent(JSON.stringify(query || {})) + (hints.metafields ? "&metafields=true" : "");
      delete hints.metafields;
      call("GET", address + "&h=" + encodeURIComponent(JSON.stringify(hints)), undefined, function (err, answer) {
        if (!callback) return;
        if (err) return callback(err, null);
        callback(null, Array.isArray(answer) ? answer.map(function (fields) {
          var doc = new Document(fields);
          stored.set(doc, Object.keys(fields));
          return doc;
        }) : answer);
      });
    };
    Document.getById = function (id, callback) { new Document({ _id: id }).reload(callback); };
    Document.on = function (kind, callback) {
      listen(kind, function (err, event) { if (event && event.collection === name) callback(null, event); });
    };
    return Document;
  }

  // ask sends a call, whose body is text, and gives what the answer's JSON says.
  function ask(side, method, path, text, done) {
    var headers = { "content-type": "application/json", "cache-control": "no-cache" };
    if (side.key) headers["x-apikey"] = side.key;
    if (side.jwt) headers.authorization = "Bearer " + side.jwt;
    (global.fetch ? fetched : requested)(method, side.base + path, headers, text, function (status, answer) {
      var said;
      try {
        said = JSON.parse(answer);
      } catch (e) {
        said = { message: "the gateway could not be reached" };
        status = 0;
      }
      if (status >= 200 && status < 300) return done(null, said);
      var err = new Error(said.message);
      err.status = status;
      err.code = said.code;
      done(err, null);
    });
  }

  function fetched(method, address, headers, text, end) {
    global.fetch(address, { method: method, headers: headers, body: text, credentials: "omit" }).then(function (answer) {
      return answer.text().then(function (said) { return [answer.status, said]; });
    }).catch(function () { return [0, ""]; }).then(function (both) { end(both[0], both[1]); });
  }

  function requested(method, address, headers, text, end) {
    var call = new global.XMLHttpRequest(), over = false;
    function once() {
      if (!over) end(call.status, call.responseText);
      over = true;
    }
    call.onreadystatechange = function () { if (call.readyState === 4) once(); };
    call.onload = call.onerror = once;
    call.open(method, address, true);
    for (var name in headers) call.setRequestHeader(name, headers[name]);
    call.send(text);
  }

  function load(address) {
    try {
      return import(address);
    } catch (e) {
      return Promise.reject(e);
    }
  }

  // modern stands on the SDK: one connection for all tabs, credentials in headers, repeats with one key.
  function modern(sdk, side) {
    var rt = sdk.connect(side.base, { apikey: side.key || undefined, token: side.jwt });
    if (side.realtime) {
      rt.on("*", function (e) {
        var data = Object.assign({}, e);
        delete data.id; // RestDB has it in the frame alone
        side.event(data);
      });
      rt.on("connect", function () { side.notice("CONNECT"); });
      rt.on("disconnect", function (why) {
        side.log("cut:", why.reason);
        side.notice("DISCONNECT");
      });
      rt.on("reconnect", function () { side.notice("RECONNECT"); });
      rt.on("gap", function (gap) { side.log("events were missed:", gap); });
      rt.on("error", function (err) {
        if (global.console) console.error("restdb: " + err.message);
        side.notice("DISCONNECT", err);
      });
    }
    return {
      publish: function (event, done) {
        rt.publish(event.event, event.data).then(function (id) { done(null, { message: "OK", id: id }); }, function (err) { done(err, null); });
      },
      close: function () { rt.close(); },
    };
  }

  // plain stands on what RestDB's own client does.
  function plain(side) {
    var stream, again, watch, heard, last = "", closed = false;
    if (side.realtime) {
      open();
      watch = setInterval(function () {
        if (Date.now() - heard < SILENCE || stream.readyState === 2) return;
        stream.close();
        side.notice("RECONNECT");
        open();
      }, LOOK);
    }

    function open() {
      var query = side.jwt ? "jwt=" + encodeURIComponent(side.jwt) + "&rt-apikey=" + encodeURIComponent(side.key || side.jwt) : "apikey=" + encodeURIComponent(side.key);
      // Under one name, since a listener has to be there for each.
      stream = new global.EventSource(side.base + "/realtime?" + query + "&frames=publish" + (last && "&lastEventId=" + encodeURIComponent(last)));
      heard = Date.now();
      stream.onopen = function () { side.notice("CONNECT"); };
      stream.onerror = function () {
        if (closed) return;
        side.notice("DISCONNECT");
        if (stream.readyState === 2) again = setTimeout(open, side.reconnectdelay); // it has given up for good
      };
      ["message", "ping", "gap", "post", "put", "delete", "publish"].forEach(function (type, i) {
        stream.addEventListener(type, function (e) {
          heard = Date.now();
          last = e.lastEventId || last;
          if (type === "gap") side.log("events were missed:", e.data);
          if (i > 2) side.event(JSON.parse(e.data));
        });
      });
    }

    return {
      publish: function (event, done) { ask(side, "POST", "/realtime", JSON.stringify(event), done); },
      close: function () {
        closed = true;
        clearInterval(watch);
        clearTimeout(again);
        if (stream) stream.close();
      },
    };
  }

  global.restdb = restdb;
  if (!("db" in global)) global.db = restdb;
})(typeof globalThis !== "undefined" ? globalThis : this);
