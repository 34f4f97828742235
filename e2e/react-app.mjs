// A page of React components, for sdk-react.test.mjs. It is bundled once with each version of React.
import { Component, StrictMode, createElement as h, useLayoutEffect, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { connect } from "sluice-client";
import { SluiceProvider, useChannel, useConnection, useStream } from "sluice-client/react";

// shown has what each component showed at each change of the page, under its id.
const shown = {}, commits = [];
let committed = null;

function Report({ id, view }) {
  useLayoutEffect(() => {
    (shown[id] ??= []).push(view);
    committed ??= (queueMicrotask(() => {
      commits.push(committed);
      committed = null;
    }), {});
    committed[id] = view;
  });
  return h("pre", { id }, JSON.stringify(view, (k, v) => v instanceof Error ? v.code : v));
}

export function Channel({ id, of, ...options }) {
  return h(Report, { id, view: useChannel(of, options) });
}

export function Stream({ id, of, ...options }) {
  return h(Report, { id, view: useStream(of, options) });
}

function Publisher({ id }) {
  const rt = useConnection();
  useLayoutEffect(() => { (window.connections ??= {})[id] = rt; });
  return null;
}

// Caught shows the error of its children.
class Caught extends Component {
  state = { error: null };
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? h("pre", { id: this.props.id }, String(this.state.error)) : this.props.children; }
}

const kinds = { Channel, Stream, Publisher, Caught };
const build = ([kind, props, ...children]) => h(kinds[kind], { key: props.id, ...props }, ...children.map(build));

// page is a provider with children, as lists [kind, props, …children].
export const page = ({ provider, children, strict = true }) =>
  strict ? h(StrictMode, null, h(SluiceProvider, provider, children.map(build))) : h(SluiceProvider, provider, children.map(build));

let root = null, set = null;
function Page({ first }) {
  const [what, change] = useState(first);
  set = change;
  return what && page(what);
}

if (typeof document !== "undefined") Object.assign(window, {
  shown, commits, connect,
  mount(what) {
    root = createRoot(document.querySelector("#root"));
    root.render(h(Page, { first: what }));
  },
  hydrate(what) {
    root = hydrateRoot(document.querySelector("#root"), page(what), { onRecoverableError: e => console.error(e) });
  },
  change: what => set(what),
  unmount: () => root.unmount(),
});
