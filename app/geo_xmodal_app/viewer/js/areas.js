// An area that is drawn, loaded or seen, and the classes in it as Python counted them.

import { button, element, section, swatch } from "./dom.js";
import { readArea } from "./geojson.js";
import { group, hectares, percent } from "./numbers.js";

export function createAreas(app) {
  const { ol, map, pen } = app;
  const { node, body } = section("Area", false, "area");
  const source = new ol.source.Vector();
  const line = (color, width, dash) =>
    new ol.style.Style({ stroke: new ol.style.Stroke({ color, width, lineDash: dash }) });
  map.addLayer(
    new ol.layer.Vector({ source, style: [line("#ffffff", 4), line("#000000", 2, [8, 5])], zIndex: 800 }),
  );
  const problem = element("p", { class: "problem", role: "alert" });
  const result = element("div", { "aria-live": "polite" });
  const pick = element("input", {
    type: "file",
    accept: ".geojson,.json,application/geo+json",
    onchange: load,
  });
  pick.hidden = true;
  let drawing = false;
  let counted = null; // the area, as text, that the answer on the page is of

  const start = button("Draw", () => begin(true), {
    title: "Click corners on the map; a double click ends, Escape gives up",
  });
  const more = button("Add polygon", () => begin(false), { title: "Another polygon of the same area" });
  body.append(
    element(
      "div",
      { class: "presets" },
      start,
      more,
      button("Current view", seen, { title: "The part of the map that is on the screen" }),
      button("Load GeoJSON", () => pick.click()),
      button("Clear", clear),
    ),
    pick,
    problem,
    result,
  );

  function begin(anew) {
    if (drawing) {
      pen.lay();
      return;
    }
    const draw = pen.polygon({
      source,
      begun: () => anew && source.clear(),
      done: (rings) => {
        const drawn = [...shapes(), rings].map((polygon) =>
          polygon.map((ring) => ring.map(([x, y]) => app.geometry.toScene(x, y))),
        );
        send({ type: "MultiPolygon", coordinates: drawn });
        setTimeout(pen.lay); // after the double click that ended it
      },
    });
    pen.take([draw], end);
    drawing = true;
    start.textContent = "Stop drawing";
  }

  /** The polygons that are there, in the map's coordinates. */
  const shapes = () =>
    source.getFeatures().flatMap((feature) => {
      const geometry = feature.getGeometry();
      return geometry.getType() === "Polygon" ? [geometry.getCoordinates()] : geometry.getCoordinates();
    });

  function end() {
    drawing = false;
    start.textContent = "Draw";
  }

  function seen() {
    const [left, bottom, right, top] = ol.extent.getIntersection(
      map.getView().calculateExtent(map.getSize()),
      app.geometry.extent,
    );
    if (!(left < right && bottom < top)) return;
    const ring = [
      [left, bottom],
      [right, bottom],
      [right, top],
      [left, top],
      [left, bottom],
    ];
    show({ type: "Polygon", coordinates: [ring.map(([x, y]) => app.geometry.toScene(x, y))] });
  }

  async function load() {
    const [file] = pick.files;
    pick.value = "";
    if (!file) return;
    try {
      show(await readArea(file, app.geometry));
    } catch (error) {
      problem.textContent = `${file.name}: ${error.message}`;
    }
  }

  function show(geometry) {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const shown = polygons.map((rings) =>
      rings.map((ring) => ring.map(([x, y]) => app.geometry.toDisplay(x, y))),
    );
    source.clear();
    source.addFeature(new ol.Feature(new ol.geom.MultiPolygon(shown)));
    send(geometry);
  }

  function send(geometry) {
    problem.textContent = "";
    node.open = true;
    const text = JSON.stringify(geometry);
    if (text === counted) return render(); // the page does not run again for what it has been sent
    counted = text;
    const maps = app.layers.list().some(({ spec }) => spec.kind === "classes");
    result.replaceChildren(...(maps ? [element("p", { class: "hint" }, "Counting…")] : []));
    app.send("area", geometry);
  }

  function clear() {
    if (drawing) pen.lay();
    source.clear();
    problem.textContent = "";
    result.replaceChildren();
    counted = null;
    app.send("area", null);
  }

  function render() {
    const { drawn } = app.data;
    if (!drawn) return;
    if (drawn.problem) {
      result.replaceChildren(element("p", { class: "problem", role: "alert" }, drawn.problem));
      return;
    }
    result.replaceChildren(...drawn.layers.map((layer) => classTable(app, layer)));
  }

  app.on("data", render);
  render();
  return node;
}

/** Classes with pixels, hectares and percent. */
function classTable(app, { id, title, areas }) {
  const classes = app.colored(app.layers.get(id)?.spec.classes ?? []);
  const named = (area) => classes.find((entry) => entry.id === area.id);
  const some = areas.filter((area) => area.pixels > 0);
  const rows = some.map((area) => {
    const entry = named(area);
    const name = entry ? entry.name : area.id === 0 ? "no class" : `class ${area.id}`;
    return element(
      "tr",
      { "data-class": area.id },
      element("th", { scope: "row" }, entry ? swatch(entry.color) : null, " ", name),
      element("td", {}, area.hectares === null ? `${group(area.pixels)} px` : hectares(area.hectares)),
      element("td", {}, area.id === 0 ? "" : percent(area.share)),
    );
  });
  const whole = some.reduce((sum, area) => sum + area.pixels, 0);
  const caption = element("caption", {}, `${title}: ${group(whole)} pixels`);
  return element("table", { class: "areas", "data-layer": id }, caption, element("tbody", {}, rows));
}
