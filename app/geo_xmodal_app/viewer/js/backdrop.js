// Behind the layers: a plain grid, and a basemap where somebody asks for it and the internet is there.

import { createBasemapForm } from "./basemap_form.js";
import { element } from "./dom.js";
import { roundUp } from "./numbers.js";

const APART = 72; // pixels of the screen between two lines at least: a number has room
const PATIENCE = 3; // tiles that fail before it is given up

export function createBackdrop(app) {
  const { ol, map, geometry } = app;
  const grid = gridLayer(app);
  const words = element("p", { class: "hint", role: "status" });
  const credit = element("span", { class: "credit" });
  credit.hidden = true;
  map.getTargetElement().append(credit);
  let basemap = null;

  const check = (text, checked, onchange) => {
    const input = element("input", { type: "checkbox", onchange: (event) => onchange(event.target.checked) });
    input.checked = checked;
    return element("label", { class: "check" }, input, element("span", {}, text));
  };
  const boxOf = (label) => label.querySelector("input");

  function turn(chosen, on) {
    if (basemap) map.removeLayer(basemap);
    basemap = null;
    for (const { box } of offered) if (box !== chosen.box || !on) boxOf(box).checked = false;
    credit.hidden = !on;
    credit.textContent = chosen.credit;
    words.textContent = "";
    if (!on) return;
    let failed = 0;
    let drawn = false;
    const source = tiles(ol, chosen);
    source.on("tileloadend", () => (drawn = true));
    source.on("tileloaderror", () => {
      failed += 1;
      if (drawn || failed < PATIENCE || basemap?.getSource() !== source) return;
      turn(chosen, false);
      words.textContent = "The basemap does not answer (no internet?): the plain grid is shown instead.";
      grid.show(true);
      boxOf(plain).checked = true;
    });
    // of a class of its own: pictures that are saved leave out what other servers have not allowed to be read
    basemap = new ol.layer.Tile({ source, zIndex: 1, className: "basemap" });
    map.addLayer(basemap);
  }

  const plain = check("Grid", true, grid.show);
  const { own } = app.data;
  const known = [
    app.data.basemap && {
      kind: "xyz",
      address: app.data.basemap,
      words: "Basemap (OpenStreetMap, needs internet)",
      credit: "© OpenStreetMap contributors",
    },
    own && { ...own, words: `Your own basemap (${own.host})`, credit: own.host },
  ];
  const possible = Boolean(geometry.toLonLat && !geometry.pixels);
  const offered = known
    .filter((one) => one && possible)
    .map((one) => ({ ...one, box: check(one.words, false, (on) => turn(offered.find(({ words }) => words === one.words), on)) }));
  const boxes = offered.map(({ box }) => box);
  const form = possible && app.data.own_basemap_address ? createBasemapForm(app) : null;
  return { node: element("div", { class: "backdrop" }, plain, boxes, words, form) };
}

/** Tiles of a server that the browser asks: by z, x and y, or by WMS. */
function tiles(ol, { kind, address, layers }) {
  if (kind === "xyz") return new ol.source.XYZ({ url: address, maxZoom: 19, transition: 0 });
  const params = { LAYERS: layers, VERSION: "1.3.0" };
  return new ol.source.TileWMS({ url: address, params, projection: "EPSG:3857", transition: 0 });
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
    map.getTargetElement().removeAttribute("aria-description");
    if (!layers[0].getVisible()) return;
    const grid = gridFeatures(ol, map, geometry);
    lines.addFeatures(grid.lines);
    words.addFeatures(grid.words);
    map.getTargetElement().setAttribute("aria-description", `Grid lines at ${grid.names.join(", ")}`);
  };
  map.on("moveend", draw);
  return {
    show(on) {
      layers.forEach((layer) => layer.setVisible(on));
      draw();
    },
  };
}

/** Lines of round coordinates of the scene, as they run on the screen; of a scene without CRS, rows and columns. */
function gridFeatures(ol, map, geometry) {
  const resolution = map.getView().getResolution();
  const [left, bottom, right, top] = map.getView().calculateExtent(map.getSize());
  const { viewport } = geometry;
  const placed = viewport.unit !== "pixel";
  const toGrid = placed ? geometry.toScene : geometry.toPixel;
  const toDisplay = placed ? geometry.toDisplay : geometry.fromPixel;
  const corners = [
    [left, bottom],
    [right, bottom],
    [left, top],
    [right, top],
  ].map((corner) => toGrid(...corner));
  const ranges = [0, 1].map((axis) => {
    const values = corners.map((corner) => corner[axis]);
    const side = axis ? viewport.height : viewport.width;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return placed ? [low, high] : [Math.max(low, 0), Math.min(high, side)];
  });
  const longest = Math.max(...map.getSize());
  const step = roundUp((Math.max(...ranges.map(([low, high]) => high - low)) * APART) / longest);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const name = (value) => `${value.toFixed(digits)}${viewport.unit === "degree" ? "°" : ""}`;
  const edge = 40 * resolution;
  const found = { lines: [], words: [], names: [] };
  const label = (point, words, across) =>
    found.words.push(new ol.Feature({ geometry: new ol.geom.Point(point), words, across }));
  ranges.forEach(([low, high], axis) => {
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      const ends = ranges[1 - axis].map((other) => toDisplay(...(axis ? [other, value] : [value, other])));
      found.lines.push(new ol.Feature(new ol.geom.LineString(ends)));
      const [[x1, y1], [x2, y2]] = ends;
      const across = Math.abs(x2 - x1) > Math.abs(y2 - y1);
      const x = across ? right : x1 + ((bottom - y1) / (y2 - y1)) * (x2 - x1);
      const y = across ? y1 + ((right - x1) / (x2 - x1)) * (y2 - y1) : bottom;
      const seen = across ? y > bottom + edge && y < top - edge / 2 : x > left + edge && x < right - 2 * edge;
      if (!seen) continue;
      label([x, y], name(value), across);
      found.names.push(name(value));
    }
  });
  return found;
}
