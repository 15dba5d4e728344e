// A place that is clicked: class, probability and every sensor's exact values, from the files themselves.

import { element, iconButton, swatch } from "./dom.js";
import { pixelOf } from "./geometry.js";
import { bandName } from "./bands.js";
import { hasClasses } from "./layers.js";
import { coordinate, lonLat, measured } from "./numbers.js";
import { spectrumPlot } from "./spectrum.js";
import { openTiff, pixelValues } from "./tiff.js";

const FEWEST_BANDS_OF_A_SPECTRUM = 4; // whose wavelengths are known
const MANY_BANDS = 12;
const CROSS_TERM = /^(re|im)\b/i; // of a covariance: no power, so no dB
const LISTED_BANDS = 4;

const CLOSE = "M6 7l1-1 5 5 5-5 1 1-5 5 5 5-1 1-5-5-5 5-1-1 5-5z";

export function createProbe(app) {
  const body = element("div", {});
  const node = element(
    "aside",
    { class: "card", "aria-label": "Values of the pixel", "aria-live": "polite" },
    body,
  );
  node.append(iconButton("Close the values of the pixel", CLOSE, () => close()));
  node.hidden = true;
  const marker = markerLayer(app);
  let latest = 0;

  async function read(display) {
    const { geometry } = app;
    const [col, row] = geometry.toPixel(...display).map(Math.floor);
    const { width, height } = geometry.viewport;
    if (col < 0 || row < 0 || col >= width || row >= height) return;
    latest += 1;
    const turn = latest;
    const [x, y] = geometry.toScene(...display);
    marker.at(col, row);
    const records = app.layers.list();
    const values = await Promise.all(records.map(({ spec }) => valuesAt(spec, x, y)));
    if (turn !== latest) return; // another place was clicked meanwhile
    show({ x, y, row, col }, records, values);
    const byId = Object.fromEntries(
      records.map(({ spec }, index) => [spec.id, values[index].numbers]).filter(([, numbers]) => numbers),
    );
    app.send("place", { x, y, row, col, values: byId });
  }

  function show(place, records, values) {
    const rows = records.map(({ spec }, index) => reading(spec, values[index]));
    body.replaceChildren(heading(app.geometry, place), element("dl", { class: "values" }, rows.flat()));
    node.hidden = false;
  }

  function close() {
    node.hidden = true;
    marker.clear();
    app.map.getTargetElement().focus();
  }

  function reading(spec, { numbers, problem }) {
    const term = element("dt", {}, spec.title);
    const row = (...content) => [term, element("dd", { "data-layer": spec.id }, ...content)];
    if (problem) return row(element("span", { class: "problem" }, problem));
    if (!numbers || numbers.every((value) => value === null)) return row("no data");
    if (hasClasses(spec)) {
      const entry = app.colored(spec.classes).find((other) => other.id === numbers[0]);
      if (entry)
        return row(
          swatch(entry.color),
          " ",
          entry.name,
          element("span", { class: "quiet" }, ` (id ${entry.id})`),
        );
      return row(numbers[0] === 0 ? "no class" : `class ${numbers[0]}, not in the legend`);
    }
    if (spec.kind === "probability") return row(`${(100 * spec.scale * numbers[0]).toFixed(0)} %`);
    return row(isSpectrum(spec, numbers) ? spectrumPlot(spec, numbers) : null, table(spec, numbers));
  }

  function table(spec, numbers) {
    const rows = numbers.map((value, band) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, bandName(spec, band)),
        element("td", {}, words(spec, value, band)),
      ),
    );
    const all = element("table", {}, element("tbody", {}, rows));
    if (rows.length <= LISTED_BANDS) return all;
    return element("details", {}, element("summary", {}, `Values of ${rows.length} bands`), all);
  }

  function words(spec, value, band) {
    if (value === null) return measured(value);
    const power = spec.decibel && value > 0 && !CROSS_TERM.test(spec.bands[band] ?? "");
    if (spec.decibel)
      return power ? `${measured(value)} (${(10 * Math.log10(value)).toFixed(1)} dB)` : measured(value);
    return `${measured(value)} ${spec.unit}`.trim();
  }

  app.map.on("singleclick", (event) => {
    if (!app.drawing) read(event.coordinate);
  });
  app.map.getTargetElement().addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === event.currentTarget && !app.drawing)
      read(app.map.getView().getCenter());
  });
  app.on("escape", () => node.hidden || close());
  return node;
}

function isSpectrum(spec, numbers) {
  const known = spec.wavelengths.filter((value) => value !== null).length;
  return known >= FEWEST_BANDS_OF_A_SPECTRUM || numbers.length >= MANY_BANDS;
}

async function valuesAt(spec, x, y) {
  try {
    const file = await openTiff(spec.probe_url ?? spec.url);
    const [col, row] = pixelOf(file.affine, x, y).map(Math.floor);
    return {
      numbers: await pixelValues(file, col, row, hasClasses(spec) ? null : (spec.nodata ?? file.nodata)),
    };
  } catch (error) {
    return { numbers: null, problem: `cannot be read: ${error.message}` };
  }
}

function heading(geometry, { x, y, row, col }) {
  const { unit } = geometry.viewport;
  const lines = [`Row ${row}, column ${col}`];
  if (unit !== "pixel" && unit !== "degree") {
    const size = Math.abs(geometry.viewport.affine[0]);
    lines.push(`${coordinate(x, size)}, ${coordinate(y, size)} ${unit}`);
  }
  const geographic = geometry.toLonLat?.(x, y);
  if (geographic) lines.push(lonLat(geographic));
  return element(
    "p",
    { class: "place" },
    lines.map((line) => element("span", {}, line)),
  );
}

function markerLayer({ ol, map, geometry }) {
  const source = new ol.source.Vector();
  const style = [
    ["#ffffff", 4],
    ["#000000", 1.5],
  ].map(([color, width]) => new ol.style.Style({ stroke: new ol.style.Stroke({ color, width }) }));
  const cross = new ol.style.Style({
    image: new ol.style.RegularShape({
      points: 4,
      radius: 11,
      radius2: 0,
      stroke: new ol.style.Stroke({ color: "#ffffff", width: 3 }),
    }),
    geometry: (feature) => new ol.geom.Point(ol.extent.getCenter(feature.getGeometry().getExtent())),
  });
  const dark = cross.clone();
  dark.setImage(
    new ol.style.RegularShape({
      points: 4,
      radius: 11,
      radius2: 0,
      stroke: new ol.style.Stroke({ color: "#000000", width: 1.2 }),
    }),
  );
  map.addLayer(new ol.layer.Vector({ source, style: [...style, cross, dark], zIndex: 900 }));
  return {
    clear: () => source.clear(),
    at(col, row) {
      const ring = [
        [col, row],
        [col + 1, row],
        [col + 1, row + 1],
        [col, row + 1],
        [col, row],
      ];
      const polygon = new ol.geom.Polygon([ring.map((corner) => geometry.fromPixel(...corner))]);
      source.clear();
      source.addFeature(new ol.Feature(polygon));
    },
  };
}
