// Where things lie: scene coordinates, rows and columns, what the map shows, and longitude and latitude.

import { geodesic } from "./ellipsoid.js";

const apply = ([a, b, c, d, e, f], col, row) => [a * col + b * row + c, d * col + e * row + f];

const invert = ([a, b, c, d, e, f]) => {
  const det = a * e - b * d;
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
};

/**
 * The scene's grid as the map shows it. A north-up grid with a CRS is shown in that CRS; any other in its
 * own columns and (upwards) rows.
 */
export function sceneGeometry(ol, proj4, viewport) {
  const { width, height, affine } = viewport;
  const inverse = invert(affine);
  const known = viewport.proj4 ? register(ol, proj4, viewport) : null;
  const pixels = viewport.pixel_display || !known;
  const projection = pixels
    ? new ol.proj.Projection({
        code: `PIXELS:${width}x${height}`,
        units: "pixels",
        extent: [0, 0, width, height],
      })
    : known;
  const toDisplay = (x, y) => {
    if (!pixels) return [x, y];
    const [col, row] = apply(inverse, x, y);
    return [col, height - row];
  };
  const toScene = (x, y) => (pixels ? apply(affine, x, height - y) : [x, y]);
  const toPixel = (x, y) => (pixels ? [x, height - y] : apply(inverse, x, y));
  const fromPixel = (col, row) => (pixels ? [col, height - row] : apply(affine, col, row));
  const corners = [fromPixel(0, 0), fromPixel(width, height)];
  const toLonLat = known ? (x, y) => finite(ol.proj.transform([x, y], known, "EPSG:4326")) : null;
  return {
    viewport,
    projection,
    pixels,
    extent: ol.extent.boundingExtent(corners),
    resolution: pixels ? 1 : affine[0],
    toDisplay,
    toScene,
    toPixel,
    fromPixel,
    /** Rings of columns and rows as the map shows them. */
    fromRings: (rings) => rings.map((ring) => ring.map(([col, row]) => fromPixel(col, row))),
    toLonLat,
    /** Metres on the ellipsoid between two places of the scene; without CRS, pixels. */
    distance: (from, to) => {
      if (toLonLat) return geodesic(toLonLat(...from) ?? [NaN, NaN], toLonLat(...to) ?? [NaN, NaN]);
      const [one, two] = [from, to].map((place) => apply(inverse, ...place));
      return Math.hypot(two[0] - one[0], two[1] - one[1]);
    },
    fromLonLat: known ? (lon, lat) => finite(ol.proj.transform([lon, lat], "EPSG:4326", known)) : null,
    imageExtent: (own, columns, rows) =>
      ol.extent.boundingExtent([toDisplay(...apply(own, 0, 0)), toDisplay(...apply(own, columns, rows))]),
    metresPerPixel: (resolution, place) =>
      metresPerPixel(viewport, pixels ? resolution : resolution / affine[0], toPixel(...place)),
  };
}

export const pixelOf = (affine, x, y) => apply(invert(affine), x, y);

const finite = (pair) => (pair.every(Number.isFinite) ? pair : null);

function register(ol, proj4, viewport) {
  const code = viewport.epsg ? `EPSG:${viewport.epsg}` : `SCENE:${viewport.proj4}`;
  if (!ol.proj.get(code)) {
    proj4.defs(code, viewport.proj4);
    ol.proj.proj4.register(proj4);
  }
  return ol.proj.get(code);
}

/** Metres on the ground that one pixel of the screen covers from left to right, or null where nobody knows. */
function metresPerPixel({ width, height, ground }, columns, [col, row]) {
  if (!ground.length) return null;
  const lines = ground.map((line) => along(line, col / width));
  return columns * along(lines, row / height);
}

/** What evenly spread values are at a share of the way. */
function along(values, share) {
  const place = Math.min(Math.max(share, 0), 1) * (values.length - 1);
  const [before, after] = [values[Math.floor(place)], values[Math.ceil(place)]];
  return before + (place % 1) * (after - before);
}
