// Classes with their areas; an entry switches its class on and off. Threshold and colours for everybody.

import { button, choice, element, section, slider, swatch } from "./dom.js";
import { hectares, percent } from "./numbers.js";
import { hasClasses } from "./layers.js";

const MAX_WARNINGS = 12;

export function createLegend(app) {
  const { node, body } = section("Legend", true, "legend");
  let chosen = null;

  function current() {
    const layers = app.layers.list().filter((record) => hasClasses(record.spec));
    return (
      layers.find((record) => record.spec.id === chosen) ??
      layers.find((record) => record.layer.getVisible() && record.spec.kind === "classes") ??
      layers.find((record) => record.layer.getVisible()) ??
      layers[0]
    );
  }

  function render() {
    const record = current();
    node.hidden = !record;
    if (!record) return;
    const focus = app.root.getRootNode().activeElement?.dataset?.focus;
    const { spec } = record;
    const layers = app.layers.list().filter((other) => hasClasses(other.spec));
    body.replaceChildren(
      ...(layers.length > 1
        ? [
            choice(
              "Legend of",
              layers.map((other) => [other.spec.id, other.spec.title]),
              spec.id,
              (id) => ((chosen = id), render()),
            ),
          ]
        : []),
      element(
        "ul",
        { class: "legend", "aria-label": `Classes of ${spec.title}` },
        app.colored(spec.classes).map((entry) => line(spec, entry)),
      ),
      tools(),
      ...threshold(),
      ...palette(),
    );
    if (focus) body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  function line(spec, entry) {
    const on = !app.settings.hidden.has(entry.id);
    const area = spec.areas.find((other) => other.id === entry.id);
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "entry",
          "aria-pressed": String(on),
          "data-class": entry.id,
          "data-focus": `class ${entry.id}`,
          title: on ? `Hide ${entry.name}` : `Show ${entry.name}`,
          onclick: () => toggle(entry.id),
        },
        swatch(entry.color),
        element("span", { class: "name" }, entry.name),
        area ? element("span", { class: "area" }, hectares(area.hectares)) : null,
        area ? element("span", { class: "share" }, percent(area.share)) : null,
      ),
    );
  }

  function toggle(id) {
    const { hidden } = app.settings;
    if (!hidden.delete(id)) hidden.add(id);
    changed();
  }

  function changed() {
    app.layers.restyle();
    app.sendSettings();
    app.emit("layers");
  }

  function tools() {
    const every = (ids) => () => {
      app.settings.hidden = new Set(ids);
      changed();
    };
    const ids = current().spec.classes.map((entry) => entry.id);
    return element(
      "div",
      { class: "presets" },
      button("Show all", every([])),
      button("Hide all", every(ids)),
    );
  }

  function threshold() {
    const { spec } = current();
    if (!spec.probability || !app.layers.get(spec.probability)) return [];
    const shown = element("output", {}, percentText(app.settings.threshold));
    const input = slider(
      "Fade pixels whose probability is below",
      Math.round(100 * app.settings.threshold),
      async (value) => {
        shown.textContent = percentText(value / 100);
        app.layers.setThreshold(value / 100);
        await app.layers.prepareThreshold();
        app.layers.setThreshold(app.settings.threshold);
      },
      {
        "data-focus": "threshold",
        onchange: () => app.sendSettings(),
        onpointerenter: () => app.layers.prepareThreshold(),
      },
    );
    return [element("label", { class: "field threshold" }, element("span", {}, "Fade below probability"), input, shown)];
  }

  function palette() {
    const { spec } = current();
    const check = element("input", {
      type: "checkbox",
      "data-focus": "palette",
      onchange: (event) => {
        app.settings.safe = event.target.checked;
        changed();
      },
    });
    check.checked = app.settings.safe;
    const rows = [
      element("label", { class: "check" }, check, element("span", {}, "Colours for colour-blind readers")),
    ];
    if (!app.settings.safe && spec.warnings.length) {
      const words = `${spec.warnings.length} ${spec.warnings.length === 1 ? "pair" : "pairs"} of classes look alike to some readers`;
      const pairs = spec.warnings.slice(0, MAX_WARNINGS).map((warning) => element("li", {}, warning));
      rows.push(
        element("details", { class: "hint" }, element("summary", {}, words), element("ul", {}, pairs)),
      );
    }
    return rows;
  }

  app.on("layers", render);
  app.on("data", render);
  render();
  return node;
}

const percentText = (share) => `${Math.round(100 * share)} %`;
