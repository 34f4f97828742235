// A form for one document. It sends only the fields that were changed here, and shows when somebody else changed the same one.
const form = document.getElementById("form"), dialog = document.getElementById("dialog"), failure = document.getElementById("failure");
const fields = ["name", "price"];
const value = field => (field === "price" ? form[field].valueAsNumber : form[field].value.trim());
const note = field => form.querySelector(`[data-of=${field}]`);

export class Editor {
  #documents;
  #id; // undefined: a new document
  #base; // the document as the reader has seen it
  #conflicts = 0; // that were shown

  constructor(documents) {
    this.#documents = documents;
    form.addEventListener("submit", e => {
      e.preventDefault();
      this.#save().catch(e => this.#fail(e.message));
    });
    document.getElementById("cancel").addEventListener("click", () => dialog.close());
  }

  open(id) {
    this.#id = id;
    this.#base = id === undefined ? { name: "", price: "" } : this.#documents.get(id);
    document.getElementById("title").textContent = id === undefined ? "A new product" : "Edit";
    document.getElementById("save").textContent = "Save";
    this.#fail("");
    for (const f of fields) {
      form[f].value = this.#base[f];
      note(f).hidden = true;
    }
    dialog.showModal();
  }

  // changed compares a new state of the document with what was typed, and shows where both changed the same field.
  changed(id, doc) {
    if (!dialog.open || id !== this.#id) return;
    if (!doc) {
      this.#fail("Somebody deleted this meanwhile.");
      this.#conflicts++;
      return;
    }
    for (const f of fields) {
      if (doc[f] === this.#base[f]) continue;
      if (value(f) === this.#base[f]) form[f].value = doc[f]; // not touched here
      else if (value(f) !== doc[f]) {
        this.#conflicts++;
        note(f).hidden = false;
        note(f).textContent = `Somebody changed this to “${doc[f]}” meanwhile.`;
        document.getElementById("save").textContent = "Save mine";
      }
    }
    this.#base = doc;
  }

  async #save() {
    const id = this.#id;
    if (id === undefined) {
      await this.#documents.insert({ name: value("name"), price: value("price"), stock: 0 });
      return dialog.close();
    }
    // The event of another change may still be on its way, or arrive now: look once more.
    const before = this.#conflicts;
    this.changed(id, await this.#documents.read(id));
    if (this.#conflicts !== before) return;
    const changes = Object.fromEntries(fields.filter(f => value(f) !== this.#base[f]).map(f => [f, value(f)]));
    if (Object.keys(changes).length) await this.#documents.change(id, changes);
    dialog.close();
  }

  #fail(text) {
    failure.textContent = text;
    failure.hidden = !text;
  }
}
