// Tiles for the map: what WebGL colours, straight from the files' own tiles.

import { openTiff } from "./tiff.js";

const DEFAULT_TILE = 256;
const WORKERS = 2;
const MAX_SAMPLED = 1024; // rows and columns that a stretch is found from

let pool;

/** One file or several of one grid as a tile source of class ids (bytes, one band a file; 0 is no data). */
export async function byteSource(ol, geometry, urls) {
  const files = await Promise.all(urls.map(openTiff));
  const size = [files[0].width, files[0].height].join();
  if (files.some((file) => [file.width, file.height].join() !== size)) {
    throw new Error("these two files have different grids");
  }
  const read = async (level, window, shape, signal) => {
    const bands = await Promise.all(
      files.map((file) => readWindow(file, file.levels[level], files[0], level, window, [0], signal)),
    );
    return interleaved(
      new Uint8Array(shape.pixels * bands.length),
      bands.map(([band]) => band),
      (value) => value,
    );
  };
  return tileSource(ol, geometry, files[0], files.length, read);
}

/** Some bands of one file as numbers, with a last band that is 0 where there is no data. */
export async function numberSource(ol, geometry, url, bands, { decibel, nodata }) {
  const file = await openTiff(url);
  const convert = converter(decibel, nodata ?? file.nodata);
  const read = async (level, window, shape, signal) => {
    const values = await readWindow(file, file.levels[level], file, level, window, bands, signal);
    const data = new Float32Array(shape.pixels * (bands.length + 1));
    interleaved(data, [...values, null], convert);
    maskMissing(data, bands.length);
    return data;
  };
  return tileSource(ol, geometry, file, bands.length + 1, read);
}

const samples = new Map();

/** A band's values in its coarsest level (in its middle, where that is large), sorted, in dB where asked. */
export function bandSample(url, band, { decibel, nodata }) {
  const key = [url, band, decibel, nodata].join();
  if (!samples.has(key)) {
    const reading = readSample(url, band, decibel, nodata);
    reading.catch(() => samples.delete(key)); // so that the next try asks again
    samples.set(key, reading);
  }
  return samples.get(key);
}

async function readSample(url, band, decibel, nodata) {
  const file = await openTiff(url);
  const coarsest = file.levels[0];
  const [across, down] = [coarsest.getWidth(), coarsest.getHeight()];
  const [left, top] = [across, down].map((side) => Math.max(0, Math.floor((side - MAX_SAMPLED) / 2)));
  const window = [left, top, Math.min(across, left + MAX_SAMPLED), Math.min(down, top + MAX_SAMPLED)];
  const [values] = await coarsest.readRasters({ samples: [band], window, pool: workers() });
  const convert = converter(decibel, nodata ?? file.nodata);
  return Float32Array.from(values, convert).filter(Number.isFinite).sort();
}

/** The 2 and 98 % quantiles of a band's sample. */
export async function bandStretch(url, band, options) {
  const sorted = await bandSample(url, band, options);
  if (!sorted.length) return [0, 1];
  const at = (share) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
  const [low, high] = [at(0.02), at(0.98)];
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

function converter(decibel, nodata) {
  const missing = (value) => value === nodata || !Number.isFinite(value);
  if (!decibel) return (value) => (missing(value) ? NaN : value);
  return (value) => (missing(value) || value <= 0 ? NaN : 10 * Math.log10(value));
}

/** Band after band to pixel after pixel; a band that is null is left as it is. */
function interleaved(data, bands, convert) {
  const step = bands.length;
  bands.forEach((values, band) => {
    if (!values) return;
    for (let pixel = 0, at = band; pixel < values.length; pixel += 1, at += step)
      data[at] = convert(values[pixel]);
  });
  return data;
}

/** NaN must not reach the graphics card: it becomes 0, and the last band says where all bands have data. */
function maskMissing(data, bands) {
  const step = bands + 1;
  for (let at = 0; at < data.length; at += step) {
    let whole = 1;
    for (let band = 0; band < bands; band += 1) {
      if (Number.isNaN(data[at + band])) {
        data[at + band] = 0;
        whole = 0;
      }
    }
    data[at + bands] = whole;
  }
}

/** A window of a level; another file of the same grid may lack that level: its next finer one is thinned. */
function readWindow(file, image, reference, level, window, samples, signal) {
  const wanted = reference.levels[level];
  const same = image && image.getWidth() === wanted.getWidth() && image.getHeight() === wanted.getHeight();
  const options = { samples: [...samples], pool: workers(), signal, fillValue: fill(file) };
  if (same) return image.readRasters({ ...options, window });
  const finer = file.levels.find((candidate) => candidate.getWidth() >= wanted.getWidth()) ?? file.full;
  const [across, down] = [finer.getWidth() / wanted.getWidth(), finer.getHeight() / wanted.getHeight()];
  const scaled = [window[0] * across, window[1] * down, window[2] * across, window[3] * down].map(Math.round);
  return finer.readRasters({
    ...options,
    window: scaled,
    width: window[2] - window[0],
    height: window[3] - window[1],
    resampleMethod: "nearest",
  });
}

const fill = (file) => (file.full.getSampleFormat() === 3 ? NaN : (file.nodata ?? 0));

function workers() {
  pool ??= new window.GeoTIFF.Pool(WORKERS);
  return pool;
}

function tileSource(ol, geometry, file, bandCount, read) {
  const extent = geometry.imageExtent(file.affine, file.width, file.height);
  const across = ol.extent.getWidth(extent);
  const tileSizes = file.levels.map((image) => {
    const [width, height] = [image.getTileWidth(), image.getTileHeight()];
    return width === height && width >= 64 && width <= 1024 ? [width, height] : [DEFAULT_TILE, DEFAULT_TILE];
  });
  const tileGrid = new ol.tilegrid.TileGrid({
    extent,
    origin: ol.extent.getTopLeft(extent),
    resolutions: file.levels.map((image) => across / image.getWidth()),
    tileSizes,
  });
  return new ol.source.DataTile({
    projection: geometry.projection,
    tileGrid,
    bandCount,
    hasAlpha: true,
    interpolate: false,
    transition: 0,
    wrapX: false,
    loader: (z, x, y, { signal }) => {
      const [width, height] = tileSizes[z];
      const window = [x * width, y * height, (x + 1) * width, (y + 1) * height];
      return read(z, window, { pixels: width * height }, signal);
    },
  });
}
