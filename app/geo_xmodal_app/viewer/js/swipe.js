// Two layers side by side under one bar: what lies left of it shows one, what lies right the other; the right
// one goes through the dates of class maps.

import { choice, element, section, slider } from "./dom.js";

export function createSwipe(app) {
  const { node, body } = section("Swipe", false, "swipe");
  const bar = element("div", { class: "swipe-bar", "aria-hidden": "true" }, element("span", {}));
  bar.hidden = true;
  app.map.getTargetElement().append(bar);
  const state = { on: false, left: null, right: null, share: 0.5 };
  let before = null; // what was shown when it was switched on
  let watched = [];
  let cleared = false; // the canvas, in this frame
  app.map.on("precompose", () => (cleared = false));

  const input = slider("Place of the swipe bar, percent from the left", 50, (value) => place(value / 100), {
    "data-focus": "swipe",
  });

  function render() {
    const options = app.layers.list().map(({ spec }) => [spec.id, spec.title]);
    node.hidden = options.length < 2;
    if (node.hidden) return;
    const ids = options.map(([id]) => id);
    if (!ids.includes(state.left)) state.left = ids[0];
    if (!ids.includes(state.right)) state.right = ids.find((id) => id !== state.left);
    const check = element("input", {
      type: "checkbox",
      "data-focus": "swipe on",
      onchange: (event) => turn(event.target.checked),
    });
    check.checked = state.on;
    const pick = (side) =>
      element(
        "label",
        { class: "field" },
        element("span", {}, side === "left" ? "Left" : "Right"),
        choice(`Layer on the ${side}`, options, state[side], (id) => {
          state[side] = id;
          if (state.on) turn(true);
        }),
      );
    const focus = app.root.getRootNode().activeElement?.dataset?.focus;
    body.replaceChildren(
      element("label", { class: "check" }, check, element("span", {}, "Compare two layers")),
      pick("left"),
      pick("right"),
      ...dates(),
      element("label", { class: "field" }, element("span", {}, "Bar"), input),
    );
    if (focus) body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  /** A slider through the class maps in the order of their dates, where there are two or more. */
  function dates() {
    const series = app.layers
      .list()
      .map(({ spec }) => spec)
      .filter(({ kind }) => kind === "classes")
      .sort((one, other) => one.date.localeCompare(other.date) || one.title.localeCompare(other.title));
    if (series.length < 2) return [];
    const words = ({ date, title }) => [date, title].filter(Boolean).join(": ");
    const now = series.findIndex(({ id }) => id === state.right);
    const said = element("p", { class: "hint" }, now < 0 ? "no map" : words(series[now]));
    const field = slider(
      "Map on the right, by date",
      Math.max(now, 0),
      (at) => (said.textContent = words(series[at])),
      {
        max: series.length - 1,
        "aria-valuetext": said.textContent,
        "data-focus": "swipe date",
        // once it is let go, as the panel is drawn anew
        onchange: (event) => {
          state.right = series[Number(event.target.value)].id;
          turn(true);
        },
      },
    );
    return [element("label", { class: "field" }, element("span", {}, "Date"), field), said];
  }

  function turn(on) {
    for (const [target, type, listener] of watched) target.un(type, listener);
    watched = [];
    before ??= new Map(app.layers.list().map(({ spec, layer }) => [spec.id, layer.getVisible()]));
    state.on = on;
    bar.hidden = !on;
    for (const { spec } of app.layers.list()) {
      app.layers.setVisible(
        spec.id,
        on ? spec.id === state.left || spec.id === state.right : (before.get(spec.id) ?? false),
      );
    }
    if (!on) before = null;
    else for (const side of state.left === state.right ? [] : ["left", "right"]) clip(side);
    place(state.share);
  }

  function clip(side) {
    const { layer } = app.layers.get(state[side]);
    const start = (event) => {
      const gl = event.context;
      const { width, height } = gl.canvas;
      if (!cleared) wipe(gl);
      const middle = Math.round(width * state.share);
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(side === "left" ? 0 : middle, 0, side === "left" ? middle : width - middle, height);
    };
    const stop = (event) => event.context.disable(event.context.SCISSOR_TEST);
    for (const [type, listener] of [
      ["prerender", start],
      ["postrender", stop],
    ]) {
      layer.on(type, listener);
      watched.push([layer, type, listener]);
    }
  }

  /** Layers share one canvas, and the first of a frame wipes it: under the scissors it would wipe its side only. */
  function wipe(gl) {
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    cleared = true;
  }

  function place(share) {
    state.share = Math.min(Math.max(share, 0), 1);
    bar.style.left = `${100 * state.share}%`;
    input.value = Math.round(100 * state.share);
    app.busy();
  }

  bar.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    bar.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const box = app.map.getTargetElement().getBoundingClientRect();
      place((moved.clientX - box.left) / box.width);
    };
    bar.addEventListener("pointermove", move);
    bar.addEventListener("pointerup", () => bar.removeEventListener("pointermove", move), { once: true });
  });
  app.on("layers", render);
  app.on("data", render);
  render();
  return node;
}
