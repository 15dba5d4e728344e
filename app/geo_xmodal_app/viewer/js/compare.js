// Two class maps: where they disagree, and which class of one became which of the other.

import { choice, element, section, swatch } from "./dom.js";
import { group, hectares, percent } from "./numbers.js";
import { byteSource } from "./sources.js";
import { AGREES, DISAGREES, disagreementStyle } from "./styles.js";

const WIDEST = 12; // classes a side in the table of the panel

export function createCompare(app) {
  const { node, body } = section("Compare maps", false, "compare");
  const state = { on: false, before: null, after: null };
  const result = element("div", { "aria-live": "polite" });
  let layer = null;

  const maps = () => app.layers.list().filter(({ spec }) => spec.kind === "classes");

  function render() {
    const options = maps().map(({ spec }) => [spec.id, spec.title]);
    node.hidden = options.length < 2;
    if (node.hidden) return;
    const ids = options.map(([id]) => id);
    if (!ids.includes(state.before)) state.before = ids[1];
    if (!ids.includes(state.after)) state.after = ids.find((id) => id !== state.before);
    const check = element("input", {
      type: "checkbox",
      "data-focus": "compare on",
      onchange: (event) => turn(event.target.checked),
    });
    check.checked = state.on;
    const pick = (side, words) =>
      element(
        "label",
        { class: "field" },
        element("span", {}, words),
        choice(`${words} map`, options, state[side], (id) => {
          state[side] = id;
          if (state.on) turn(true);
        }),
      );
    const focus = app.root.getRootNode().activeElement?.dataset?.focus;
    body.replaceChildren(
      pick("before", "From"),
      pick("after", "To"),
      element("label", { class: "check" }, check, element("span", {}, "Show where they disagree")),
      ...(state.on ? [key()] : []),
      result,
    );
    if (focus) body.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  }

  const key = () =>
    element("p", { class: "keys" }, swatch(DISAGREES), " differs ", swatch(AGREES), " the same");

  async function turn(on) {
    state.on = on;
    if (layer) app.map.removeLayer(layer);
    layer = null;
    app.busy();
    app.settings.compare = on && state.before !== state.after ? [state.before, state.after] : null;
    result.replaceChildren(...(app.settings.compare ? [element("p", { class: "hint" }, "Counting…")] : []));
    render();
    app.sendSettings();
    if (!app.settings.compare) return;
    const pair = app.settings.compare;
    const urls = pair.map((id) => app.layers.get(id).spec.url);
    try {
      const source = await byteSource(app.ol, app.geometry, urls);
      if (app.settings.compare !== pair) return;
      layer = new app.ol.layer.WebGLTile({ source, style: disagreementStyle(), zIndex: 600 });
      app.map.addLayer(layer);
      app.busy();
    } catch (error) {
      result.replaceChildren(
        element("p", { class: "problem", role: "alert" }, `cannot be compared: ${error.message}`),
      );
    }
  }

  function renderResult() {
    const { comparison } = app.data;
    const asked = app.settings.compare?.join("\n");
    if (!comparison || comparison.pair.join("\n") !== asked) return;
    if (comparison.problem) {
      result.replaceChildren(element("p", { class: "problem", role: "alert" }, comparison.problem));
      return;
    }
    const share = comparison.compared ? comparison.agreeing / comparison.compared : 0;
    result.replaceChildren(
      element("p", {}, `${percent(share)} of ${group(comparison.compared)} pixels have the same class.`),
      matrix(app, comparison),
    );
  }

  app.on("layers", render);
  app.on("data", () => {
    render();
    renderResult();
  });
  render();
  renderResult();
  return node;
}

function matrix(app, { pair, before, after, pixels, hectares: areas }) {
  const [rows, cols] = pair.map(
    (id) => new Map(app.colored(app.layers.get(id)?.spec.classes ?? []).map((entry) => [entry.id, entry])),
  );
  const name = (names, id) => names.get(id)?.name ?? `class ${id}`;
  const mark = (names, id) => (names.has(id) ? swatch(names.get(id).color) : String(id));
  const unit = areas ? "hectares" : "pixels";
  const cell = (row, col) => {
    const words = areas ? hectares(areas[row][col]).replace(" ha", "") : group(pixels[row][col]);
    const title = `${name(rows, before[row])} to ${name(cols, after[col])}: ${group(pixels[row][col])} pixels`;
    return element(
      "td",
      { title, class: before[row] === after[col] ? "same" : pixels[row][col] ? "" : "zero" },
      words,
    );
  };
  const head = after
    .slice(0, WIDEST)
    .map((id) =>
      element("th", { scope: "col", title: name(cols, id), "aria-label": name(cols, id) }, mark(cols, id)),
    );
  const lines = before.slice(0, WIDEST).map((id, row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", title: name(rows, id) }, mark(rows, id), " ", name(rows, id)),
      after.slice(0, WIDEST).map((_, col) => cell(row, col)),
    ),
  );
  const hidden = Math.max(before.length, after.length) > WIDEST ? `; the first ${WIDEST} classes` : "";
  return element(
    "div",
    { class: "matrix", tabindex: 0, role: "region", "aria-label": "Change matrix" },
    element(
      "table",
      {},
      element("caption", {}, `From rows to columns, ${unit}${hidden}`),
      element("thead", {}, element("tr", {}, element("td", {}), head)),
      element("tbody", {}, lines),
    ),
  );
}
