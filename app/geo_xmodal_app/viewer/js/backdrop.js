// Behind the layers: a plain grid, and OpenStreetMap where somebody asks for it and the internet is there.

import { element } from "./dom.js";
import { roundDown } from "./numbers.js";

const LINES = 8; // about as many across the map
const PATIENCE = 3; // tiles that fail before it is given up

export function createBackdrop(app) {
  const { ol, map, geometry } = app;
  const grid = gridLayer(app);
  const words = element("p", { class: "hint", role: "status" });
  const credit = element("span", { class: "credit" }, "© OpenStreetMap contributors");
  credit.hidden = true;
  map.getTargetElement().append(credit);
  let basemap = null;

  const check = (text, checked, onchange) => {
    const input = element("input", { type: "checkbox", onchange: (event) => onchange(event.target.checked) });
    input.checked = checked;
    return element("label", { class: "check" }, input, element("span", {}, text));
  };

  function turn(on) {
    if (basemap) map.removeLayer(basemap);
    basemap = null;
    credit.hidden = !on;
    words.textContent = "";
    if (!on) return;
    let failed = 0;
    let drawn = false;
    const source = new ol.source.XYZ({ url: app.data.basemap, maxZoom: 19, transition: 0 });
    source.on("tileloadend", () => (drawn = true));
    source.on("tileloaderror", () => {
      failed += 1;
      if (drawn || failed < PATIENCE || !basemap) return;
      turn(false);
      online.querySelector("input").checked = false;
      words.textContent = "The basemap does not answer (no internet?): the plain grid is shown instead.";
      grid.show(true);
      plain.querySelector("input").checked = true;
    });
    basemap = new ol.layer.Tile({ source, zIndex: 1 });
    map.addLayer(basemap);
  }

  const plain = check("Grid", true, grid.show);
  const online = check("Basemap (OpenStreetMap, needs internet)", false, turn);
  const possible = Boolean(app.data.basemap && geometry.toLonLat && !geometry.pixels);
  return { node: element("div", { class: "backdrop" }, plain, possible ? online : null, words) };
}

/** Lines of round coordinates under the layers and their numbers above them, drawn anew for what is seen. */
function gridLayer({ ol, map, geometry }) {
  const [lines, words] = [new ol.source.Vector(), new ol.source.Vector()];
  const stroke = new ol.style.Stroke({ color: "rgba(110,120,130,0.45)", width: 1 });
  const label = (feature) => {
    const across = feature.get("across");
    const text = new ol.style.Text({
      text: feature.get("words"),
      font: "11px sans-serif",
      textAlign: across ? "right" : "center",
      offsetX: across ? -4 : 0,
      offsetY: -8,
      fill: new ol.style.Fill({ color: "#3d464d" }),
      stroke: new ol.style.Stroke({ color: "rgba(255,255,255,0.9)", width: 3 }),
    });
    return new ol.style.Style({ text });
  };
  const layers = [
    new ol.layer.Vector({ source: lines, style: new ol.style.Style({ stroke }), zIndex: 2 }),
    new ol.layer.Vector({ source: words, style: label, zIndex: 650 }),
  ];
  layers.forEach((layer) => map.addLayer(layer));
  const draw = () => {
    lines.clear();
    words.clear();
    if (!layers[0].getVisible()) return;
    const grid = gridFeatures(ol, map, geometry);
    lines.addFeatures(grid.lines);
    words.addFeatures(grid.words);
  };
  map.on("moveend", draw);
  return {
    show(on) {
      layers.forEach((layer) => layer.setVisible(on));
      draw();
    },
  };
}

function gridFeatures(ol, map, geometry) {
  const resolution = map.getView().getResolution();
  const [left, bottom, right, top] = map.getView().calculateExtent(map.getSize());
  const step = roundDown(Math.max(right - left, top - bottom) / LINES) || 1;
  const edge = 40 * resolution;
  const found = { lines: [], words: [] };
  const line = (points) => found.lines.push(new ol.Feature(new ol.geom.LineString(points)));
  const label = (point, words, across) =>
    found.words.push(new ol.Feature({ geometry: new ol.geom.Point(point), words, across }));
  const degrees = geometry.viewport.unit === "degree" && !geometry.pixels;
  const name = (value) => (degrees ? `${rounded(value)}°` : rounded(value));
  const rounded = (value) => String(Number(value.toFixed(Math.max(0, -Math.floor(Math.log10(step))))));
  for (let x = Math.ceil(left / step) * step; x <= right; x += step) {
    line([
      [x, bottom],
      [x, top],
    ]);
    if (x > left + edge && x < right - 2 * edge) label([x, bottom], name(x), false);
  }
  for (let y = Math.ceil(bottom / step) * step; y <= top; y += step) {
    line([
      [left, y],
      [right, y],
    ]);
    if (y > bottom + edge && y < top - edge / 2)
      label([right, y], name(geometry.pixels ? geometry.viewport.height - y : y), true);
  }
  return found;
}
