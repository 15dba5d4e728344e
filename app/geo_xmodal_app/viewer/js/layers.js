// The layers of the map: each knows its file, its colours and its place in the order.

import { bandStretch, byteSource, numberSource } from "./sources.js";
import { classStyle, numberStyle } from "./styles.js";

const TILES_KEPT = 128; // textures of a layer in graphics memory

export const hasClasses = (spec) => spec.kind === "classes" || spec.kind === "labels";

export function createLayers(app) {
  const records = new Map();
  let order = []; // ids, the topmost first

  function sync(specs) {
    const wanted = new Map(specs.map((spec) => [spec.id, spec]));
    for (const [id, record] of records) {
      if (wanted.get(id)?.url === record.spec.url) continue;
      app.map.removeLayer(record.layer);
      records.delete(id);
    }
    for (const spec of specs) {
      const record = records.get(spec.id);
      if (record) record.spec = spec;
      else records.set(spec.id, newRecord(spec));
    }
    order = [
      ...order.filter((id) => wanted.has(id)),
      ...specs.map((spec) => spec.id).filter((id) => !order.includes(id)),
    ];
    arrange();
    for (const record of records.values()) restyle(record);
  }

  function newRecord(spec) {
    const layer = new app.ol.layer.WebGLTile({
      visible: spec.visible,
      opacity: spec.opacity,
      cacheSize: TILES_KEPT,
      style: {},
    });
    app.map.addLayer(layer);
    const record = { spec, layer, bands: shownBands(spec), stretches: [], chosen: new Map(), gamma: 1, state: "waiting", message: "" };
    if (spec.visible) load(record);
    return record;
  }

  /** Ask for the file; nothing is asked for before a layer is first shown. */
  function load(record, withThreshold = false) {
    record.state = "loading";
    app.busy();
    record.loading = fill(record, withThreshold)
      .then(() => {
        record.state = "ready";
        record.message = "";
      })
      .catch((error) => {
        record.state = "error";
        record.message = `cannot be read: ${error.message}`;
      })
      .finally(() => {
        app.busy();
        app.emit("layers");
      });
    return record.loading;
  }

  async function fill(record, withThreshold) {
    const { spec } = record;
    if (hasClasses(spec)) {
      const probability = withThreshold ? records.get(spec.probability) : null;
      const urls = [spec.url, ...(probability ? [probability.spec.url] : [])];
      const source = await byteSource(app.ol, app.geometry, urls);
      record.withProbability = Boolean(probability);
      restyle(record);
      record.layer.setSource(source);
      return;
    }
    const options = { decibel: spec.decibel, nodata: spec.nodata };
    const [source, stretches] = await Promise.all([
      numberSource(app.ol, app.geometry, spec.url, record.bands, options),
      Promise.all(record.bands.map((band) => record.chosen.get(band) ?? stretchOf(spec, band, options))),
    ]);
    record.stretches = stretches;
    record.layer.setStyle(numberStyle(stretches, spec.kind === "probability" ? "ramp" : "greys", record.gamma));
    record.layer.setSource(source);
  }

  function restyle(record) {
    if (!hasClasses(record.spec)) return;
    app.busy();
    const { hidden, threshold } = app.settings;
    const style = classStyle(app.colored(record.spec.classes), hidden, record.withProbability);
    if (style.variables) style.variables.threshold = rawThreshold(record, threshold);
    record.layer.setStyle(style);
  }

  function rawThreshold(record, threshold) {
    return threshold / (records.get(record.spec.probability)?.spec.scale || 1) - 1e-3;
  }

  /** Dim what is below the threshold; the probability is fetched when it is first needed. */
  function setThreshold(threshold) {
    app.settings.threshold = threshold;
    app.busy();
    for (const record of records.values()) {
      if (record.withProbability)
        record.layer.updateStyleVariables({ threshold: rawThreshold(record, threshold) });
    }
  }

  async function prepareThreshold() {
    const lacking = [...records.values()].filter(
      (record) =>
        !record.withProbability && record.layer.getVisible() && records.has(record.spec.probability),
    );
    await Promise.all(lacking.map((record) => load(record, true)));
  }

  function setVisible(id, visible) {
    const record = records.get(id);
    if (visible && (record.state === "waiting" || record.state === "error")) load(record);
    record.layer.setVisible(visible);
    app.busy();
    app.emit("layers");
  }

  function move(id, to) {
    order = order.filter((other) => other !== id);
    order.splice(Math.max(0, Math.min(to, order.length)), 0, id);
    arrange();
    app.busy();
    app.emit("layers");
  }

  function arrange() {
    order.forEach((id, index) => records.get(id)?.layer.setZIndex(100 + order.length - index));
  }

  function setBands(id, bands) {
    const record = records.get(id);
    record.bands = bands;
    return load(record);
  }

  /** Bands, each with its lowest and highest value shown; null: as the layer began. */
  function setStretch(id, stretches) {
    const record = records.get(id);
    if (stretches) stretches.forEach(([band, ends]) => record.chosen.set(band, ends));
    else record.chosen.clear();
    return load(record);
  }

  function setGamma(id, gamma) {
    const record = records.get(id);
    record.gamma = gamma;
    record.layer.updateStyleVariables({ exponent: 1 / gamma });
    app.busy();
  }

  return {
    sync,
    setVisible,
    move,
    setBands,
    setStretch,
    setGamma,
    setThreshold,
    prepareThreshold,
    restyle: () => records.forEach(restyle),
    setOpacity(id, opacity) {
      records.get(id).layer.setOpacity(opacity);
      app.busy();
    },
    loading: () => [...records.values()].some((record) => record.state === "loading"),
    get: (id) => records.get(id),
    list: () => order.map((id) => records.get(id)).filter(Boolean),
  };
}

function shownBands(spec) {
  const count = Math.max(spec.bands.length, 1);
  const bands = spec.shown_bands.filter((band) => band >= 0 && band < count);
  if (bands.length >= 3) return bands.slice(0, 3);
  if (bands.length) return bands.slice(0, 1);
  if (spec.presets.length) return spec.presets[0][1];
  return spec.kind === "continuous" && count >= 3 ? [0, 1, 2] : [0];
}

function stretchOf(spec, band, options) {
  if (spec.kind === "probability") return [0, 1 / (spec.scale || 1)];
  return spec.stretch[band] ?? bandStretch(spec.url, band, options);
}
