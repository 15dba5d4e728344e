// The list of layers: on and off, order, opacity, and which bands are shown.

import { bandName, threeBands } from "./bands.js";
import { button, choice, element, iconButton, section, slider } from "./dom.js";
import { measured } from "./numbers.js";
import { stretchControls } from "./stretch.js";
import { rampColors } from "./styles.js";

const UP = "M12 5l7 8h-4v6H9v-6H5z";
const SETTINGS =
  "M4 6h9v2H4zM17 6h3v2h-3zM13 4h2v6h-2zM4 11h3v2H4zM11 11h9v2h-9zM7 9h2v6H7zM4 16h7v2H4zM15 16h5v2h-5zM11 14h2v6h-2z";
const DOWN = "M12 19l7-8h-4V5H9v6H5z";

export function createLayerList(app) {
  const { node, body } = section("Layers", true, "layers");
  const list = element("ol", { class: "layers", "aria-label": "Layers, the topmost first" });
  const said = element("p", { class: "hidden-words", "aria-live": "polite" });
  body.append(list, said);
  const unfolded = new Set();
  let dragged = null;

  function render() {
    const focus = app.root.getRootNode().activeElement?.dataset?.focus;
    list.replaceChildren(...app.layers.list().map(row));
    if (focus) list.querySelector(`[data-focus="${CSS.escape(focus)}"]:not(:disabled)`)?.focus();
  }

  function row(record, index) {
    const { spec, layer } = record;
    const all = app.layers.list();
    const check = element("input", {
      type: "checkbox",
      "data-focus": `${spec.id} visible`,
      onchange: (event) => app.layers.setVisible(spec.id, event.target.checked),
    });
    check.checked = layer.getVisible();
    const shift = (by) => {
      app.layers.move(spec.id, index + by);
      said.textContent = `${spec.title}: now ${index + by + 1} of ${all.length}`;
    };
    const open = unfolded.has(spec.id);
    const fold = () => {
      if (!unfolded.delete(spec.id)) unfolded.add(spec.id);
      render();
    };
    const settings = element(
      "div",
      { class: "settings" },
      opacity(record),
      spec.kind === "continuous" ? bands(record) : null,
      spec.kind === "probability" ? key(record, "0 %", "100 %") : null,
    );
    const message =
      record.state === "error" ? element("p", { class: "problem", role: "alert" }, record.message) : null;
    const item = element(
      "li",
      { draggable: "true", "data-layer": spec.id, class: layer.getVisible() ? "" : "off" },
      element("label", { class: "title", title: spec.title }, check, element("span", {}, spec.title)),
      iconButton(`Settings of ${spec.title}`, SETTINGS, fold, {
        "aria-expanded": String(open),
        "data-focus": `${spec.id} settings`,
      }),
      iconButton(`Move ${spec.title} up`, UP, () => shift(-1), {
        disabled: index === 0,
        "data-focus": `${spec.id} up`,
      }),
      iconButton(`Move ${spec.title} down`, DOWN, () => shift(1), {
        disabled: index === all.length - 1,
        "data-focus": `${spec.id} down`,
      }),
      open ? settings : null,
      message,
    );
    item.addEventListener("dragstart", (event) => {
      if (event.target !== item) return; // a slider that is pulled is no layer that is moved
      dragged = spec.id;
      event.dataTransfer.effectAllowed = "move";
    });
    item.addEventListener("dragover", (event) => event.preventDefault());
    item.addEventListener("drop", (event) => {
      event.preventDefault();
      if (dragged && dragged !== spec.id) app.layers.move(dragged, index);
      dragged = null;
    });
    return item;
  }

  function opacity({ spec, layer }) {
    const input = slider(
      `Opacity of ${spec.title}`,
      Math.round(100 * layer.getOpacity()),
      (value) => app.layers.setOpacity(spec.id, value / 100),
      {
        "data-focus": `${spec.id} opacity`,
      },
    );
    input.addEventListener("pointerdown", () => input.closest("li").setAttribute("draggable", "false"));
    input.addEventListener("pointerup", () => input.closest("li").setAttribute("draggable", "true"));
    return element("label", { class: "field" }, element("span", {}, "Opacity"), input);
  }

  function bands(record) {
    const { spec } = record;
    const names = spec.bands.map((name, band) => [String(band), bandName(spec, band)]);
    const set = (chosen) => app.layers.setBands(spec.id, chosen);
    const color = record.bands.length === 3;
    const picks = record.bands.map((band, index) =>
      element(
        "label",
        { class: "field" },
        element("span", {}, color ? ["Red", "Green", "Blue"][index] : "Band"),
        choice(
          `${color ? ["Red", "Green", "Blue"][index] : "Band"} of ${spec.title}`,
          names,
          String(band),
          (value) => set(record.bands.map((old, at) => (at === index ? Number(value) : old))),
        ),
      ),
    );
    const presets = [...spec.presets.map(([name, chosen]) => button(name, () => set(chosen)))];
    if (color) presets.push(button("One band", () => set([record.bands[0]])));
    else if (spec.bands.length >= 3) presets.push(button("Three bands", () => set(threeBands(spec))));
    const { shared, each } = stretchControls(app, record);
    const rows = [
      element("div", { class: "presets" }, presets),
      ...picks.flatMap((pick, at) => [pick, each[at] ?? null]),
      ...shared,
    ];
    if (!color && record.stretches.length) {
      const unit = spec.decibel ? "dB" : spec.unit;
      rows.push(key(record, ...record.stretches[0].map((value) => `${measured(value)} ${unit}`)));
    }
    return element("div", { class: "bands" }, rows);
  }

  function key({ spec }, low, high) {
    const bar = element("span", { class: "ramp", "aria-hidden": "true" });
    bar.style.background = `linear-gradient(to right, ${rampColors(spec.kind === "probability" ? "ramp" : "greys").join(",")})`;
    return element("div", { class: "key" }, element("span", {}, low), bar, element("span", {}, high));
  }

  app.on("layers", render);
  app.on("data", render);
  render();
  return node;
}
