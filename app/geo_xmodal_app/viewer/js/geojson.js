// A GeoJSON file as an area in the scene's coordinates: checked, since nobody knows where it comes from.

const MAX_BYTES = 5_000_000;
export const MAX_VERTICES = 5000;

export async function readArea(file, geometry) {
  if (file.size > MAX_BYTES) throw new Error(`${file.size} bytes, at most ${MAX_BYTES} are read`);
  let content;
  try {
    content = JSON.parse(await file.text());
  } catch {
    throw new Error("no JSON: save the area as GeoJSON");
  }
  const polygons = polygonsOf(content);
  if (!polygons.length) throw new Error("holds no polygon");
  const vertices = polygons.flat().reduce((sum, ring) => sum + ring.length, 0);
  if (vertices > MAX_VERTICES)
    throw new Error(`${vertices} corners, at most ${MAX_VERTICES} are read: simplify it`);
  const place = placer(content, geometry, polygons);
  return { type: "MultiPolygon", coordinates: polygons.map((rings) => rings.map((ring) => ring.map(place))) };
}

function polygonsOf(node) {
  switch (node?.type) {
    case "FeatureCollection":
      return Array.isArray(node.features) ? node.features.flatMap(polygonsOf) : [];
    case "Feature":
      return polygonsOf(node.geometry);
    case "GeometryCollection":
      return Array.isArray(node.geometries) ? node.geometries.flatMap(polygonsOf) : [];
    case "Polygon":
      return [checked(node.coordinates)];
    case "MultiPolygon":
      if (!Array.isArray(node.coordinates)) throw new Error("a MultiPolygon without coordinates");
      return node.coordinates.map(checked);
    default:
      return [];
  }
}

function checked(rings) {
  const good =
    Array.isArray(rings) &&
    rings.length > 0 &&
    rings.every(
      (ring) =>
        Array.isArray(ring) &&
        ring.length >= 4 &&
        ring.every((point) => Array.isArray(point) && Number.isFinite(point[0]) && Number.isFinite(point[1])),
    );
  if (!good) throw new Error("a polygon without proper rings (four points or more, two finite numbers each)");
  return rings;
}

/** Longitude and latitude, as the standard says, unless the file names the scene's CRS (as QGIS does). */
function placer(content, geometry, polygons) {
  const { epsg } = geometry.viewport;
  if (!geometry.fromLonLat) return ([x, y]) => [x, y];
  const named = content?.crs?.properties?.name;
  if (typeof named === "string" && !/CRS84|EPSG:+4326$/.test(named)) {
    const code = /EPSG:+(\d+)$/.exec(named)?.[1];
    if (Number(code) === epsg) return ([x, y]) => [x, y];
    throw new Error(
      `in ${named.slice(0, 60)}: save it in longitude and latitude (EPSG:4326) or in the scene's CRS`,
    );
  }
  if (polygons.flat(2).some(([lon, lat]) => Math.abs(lon) > 360 || Math.abs(lat) > 90)) {
    throw new Error("coordinates beyond longitude and latitude: save it in EPSG:4326, or name its CRS");
  }
  return ([lon, lat]) => {
    const place = geometry.fromLonLat(lon, lat);
    if (!place) throw new Error("lies where the scene's CRS ends");
    return place;
  };
}
