// Distances: along a line that is drawn, on the ellipsoid.

import { button, element, section } from "./dom.js";
import { distance } from "./numbers.js";

export function createMeasure(app) {
  const { ol, map, geometry, pen } = app;
  const { node, body } = section("Measure", false, "measure");
  const source = new ol.source.Vector();
  const stroke = (color, width) => new ol.style.Style({ stroke: new ol.style.Stroke({ color, width }) });
  const style = [stroke("#ffffff", 4), stroke("#000000", 2)];
  map.addLayer(new ol.layer.Vector({ source, style, zIndex: 810 }));
  const result = element("div", { "aria-live": "polite" });
  let drawing = false;
  const start = button("Draw a line", begin, {
    title: "Click corners on the map; a double click ends, Escape gives up",
  });
  body.append(element("div", { class: "presets" }, start, button("Clear", clear)), result);

  function begin() {
    if (drawing) {
      pen.lay();
      return;
    }
    const line = pen.line({
      source,
      begun: () => source.clear(),
      moved: tell,
      done: (corners) => {
        tell(corners);
        setTimeout(pen.lay); // after the double click that ended it
      },
    });
    pen.take([line], end);
    drawing = true;
    start.textContent = "Stop measuring";
  }

  function end() {
    drawing = false;
    start.textContent = "Draw a line";
  }

  function clear() {
    if (drawing) pen.lay();
    source.clear();
    result.replaceChildren();
  }

  function tell(corners) {
    const places = corners.map(([x, y]) => geometry.toScene(x, y));
    const steps = places.slice(1).map((place, index) => geometry.distance(places[index], place));
    const whole = steps.reduce((sum, step) => sum + step, 0);
    const words = (value) => (geometry.toLonLat ? distance(value) : `${value.toFixed(1)} pixels`);
    const rows = steps.map((step) => element("li", {}, words(step)));
    result.replaceChildren(
      element("p", { class: "length" }, `Distance: ${words(whole)}`),
      ...(rows.length > 1 ? [element("ol", { class: "steps" }, rows)] : []),
    );
  }

  return node;
}
