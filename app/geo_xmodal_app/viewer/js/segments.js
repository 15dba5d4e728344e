// Pixels that look alike, in outline: the server divides what is seen of the topmost sensor.

export function createSegments(app, address, { found, failed }) {
  const { ol, map, geometry } = app;
  const source = new ol.source.Vector();
  const line = (color, width) => new ol.style.Style({ stroke: new ol.style.Stroke({ color, width }) });
  const style = [line("rgba(0, 0, 0, 0.35)", 2), line("rgba(255, 255, 255, 0.9)", 0.8)];
  map.addLayer(new ol.layer.Vector({ source, style, zIndex: 840 }));
  let pixels = 0; // of a segment; 0 while none are shown
  let shown = "";
  let latest = 0;

  function hide() {
    pixels = 0;
    shown = "";
    source.clear();
  }

  function show(wanted) {
    pixels = wanted;
    return divide();
  }

  /** Ask for the segments of what is seen, unless they are there. */
  async function divide() {
    const query = pixels ? asked() : "";
    if (!query || query === shown) return;
    shown = query;
    latest += 1;
    const turn = latest;
    try {
      const answer = await fetch(`${address}/segments?${query}`);
      const { segments, problem } = await answer.json();
      if (turn !== latest || !pixels) return; // the map was moved meanwhile
      source.clear();
      if (!answer.ok) throw new Error(problem);
      source.addFeatures(segments.map(outline));
      found(segments.length);
    } catch (error) {
      failed(error.message);
    }
  }

  function outline(rings) {
    const feature = new ol.Feature(new ol.geom.Polygon(geometry.fromRings(rings)));
    feature.set("rings", rings);
    return feature;
  }

  function asked() {
    const seen = ol.extent.getIntersection(map.getView().calculateExtent(map.getSize()), geometry.extent);
    if (ol.extent.isEmpty(seen)) return "";
    const corners = [ol.extent.getTopLeft(seen), ol.extent.getBottomRight(seen)];
    const [[left, top], [right, bottom]] = corners.map((place) => geometry.toPixel(...place));
    const sensor = app.layers
      .list()
      .find(({ spec, layer }) => spec.kind === "continuous" && layer.getVisible());
    return new URLSearchParams({
      left: Math.round(left),
      top: Math.round(top),
      right: Math.round(right),
      bottom: Math.round(bottom),
      pixels,
      sensor: sensor ? sensor.spec.id.replace(/^sensor-/, "") : "",
    }).toString();
  }

  map.on("moveend", divide);
  app.on("layers", divide);
  return {
    show,
    hide,
    /** Rings (col, row) of the segment at a place of the map, or nothing. */
    at: (place) => source.getFeaturesAtCoordinate(place)[0]?.get("rings"),
  };
}
