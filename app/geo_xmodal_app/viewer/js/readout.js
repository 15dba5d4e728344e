// Under the map: where the pointer is, the CRS, and a scale bar.

import { element } from "./dom.js";
import { coordinate, lonLat, measured, roundDown } from "./numbers.js";

const LONGEST_BAR = 140; // pixels of the screen

export function createReadout(app) {
  const { map, geometry } = app;
  const where = element("span", { class: "where" });
  const label = element("span", {});
  const bar = element("span", { class: "bar" });
  const crs = element("span", { class: "crs" }, crsWords(geometry));
  const node = element(
    "div",
    { class: "readout" },
    element("span", { class: "scale" }, bar, label),
    where,
    crs,
  );

  function rescale() {
    const { length, words } = scaleBar(app);
    bar.style.width = `${length}px`;
    label.textContent = words;
  }

  map.on("pointermove", ({ coordinate: display }) => {
    where.textContent = placeWords(geometry, display);
  });
  map.getViewport().addEventListener("pointerleave", () => (where.textContent = ""));
  map.on("moveend", rescale);
  return node;
}

function crsWords({ viewport, pixels }) {
  const code = viewport.epsg ? ` (EPSG:${viewport.epsg})` : "";
  return `${viewport.crs}${code}${pixels && viewport.proj4 ? ", shown in rows and columns" : ""}`;
}

function placeWords(geometry, display) {
  const [x, y] = geometry.toScene(...display);
  const { viewport } = geometry;
  if (viewport.unit === "pixel") {
    const [col, row] = geometry.toPixel(...display).map(Math.floor);
    return `row ${row}, column ${col}`;
  }
  const geographic = geometry.toLonLat?.(x, y);
  const degrees = geographic ? lonLat(geographic) : "";
  if (viewport.unit === "degree") return degrees;
  const size = Math.abs(viewport.affine[0]);
  return `${coordinate(x, size)}, ${coordinate(y, size)} ${viewport.unit}   ${degrees}`;
}

/** Length on the screen and words of a round distance. */
export function scaleBar({ map, geometry }) {
  const view = map.getView();
  const resolution = view.getResolution();
  const metres = geometry.metresPerPixel(resolution, view.getCenter());
  const perPixel = metres ?? resolution / geometry.resolution;
  const value = roundDown(LONGEST_BAR * perPixel);
  const length = value / perPixel;
  if (metres === null) return { length, words: `${measured(value)} pixels` };
  return { length, words: value >= 1000 ? `${measured(value / 1000)} km` : `${measured(value)} m` };
}
