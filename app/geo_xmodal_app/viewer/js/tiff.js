// GeoTIFFs read by range: one open file an address, its overviews, and the values of a pixel.

const BLOCK = 65536; // bytes a request asks for at least: a header or a tile of classes
const BLOCKS_KEPT = 256;

const open = new Map();

/** The file at `url`: levels from coarse to fine, affine, nodata and bands. */
export function openTiff(url) {
  if (!open.has(url)) {
    const opening = read(url);
    opening.catch(() => open.delete(url)); // so that the next try asks again
    open.set(url, opening);
  }
  return open.get(url);
}

async function read(url) {
  const tiff = await window.GeoTIFF.fromUrl(url, { blockSize: BLOCK, cacheSize: BLOCKS_KEPT });
  const count = await tiff.getImageCount();
  const images = await Promise.all(Array.from({ length: count }, (_, index) => tiff.getImage(index)));
  const levels = images
    .filter((image) => !((image.fileDirectory.getValue("NewSubfileType") || 0) & 4)) // no masks
    .sort((one, other) => one.getWidth() - other.getWidth());
  const full = images[0];
  return {
    url,
    levels,
    full,
    width: full.getWidth(),
    height: full.getHeight(),
    bands: full.getSamplesPerPixel(),
    affine: affineOf(full),
    nodata: full.getGDALNoData(),
  };
}

/** From column and row to coordinates; the identity for a file that does not say. */
function affineOf(image) {
  const directory = image.fileDirectory;
  const matrix = directory.getValue("ModelTransformation");
  const scale = directory.getValue("ModelPixelScale");
  const tie = directory.getValue("ModelTiepoint");
  let affine = [1, 0, 0, 0, 1, 0];
  if (matrix) affine = [matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7]];
  else if (scale && tie) {
    affine = [scale[0], 0, tie[3] - tie[0] * scale[0], 0, -scale[1], tie[4] + tie[1] * scale[1]];
  }
  const point = image.getGeoKeys()?.GTRasterTypeGeoKey === 2; // coordinates of centres, not of corners
  if (!point) return affine;
  const [a, b, c, d, e, f] = affine;
  return [a, b, c - (a + b) / 2, d, e, f - (d + e) / 2];
}

/** Values of one pixel, all bands; null where there is no data. */
export async function pixelValues(file, col, row, nodata) {
  if (col < 0 || row < 0 || col >= file.width || row >= file.height) return null;
  const window = [col, row, col + 1, row + 1];
  const bands = await file.full.readRasters({ window });
  return Array.from(bands, ([value]) => (Number.isFinite(value) && value !== nodata ? value : null));
}
