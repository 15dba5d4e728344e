// Numbers as people read them.

export const group = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

export function hectares(value) {
  if (value === null || value === undefined) return "";
  const digits = value >= 100 ? 0 : value >= 1 ? 1 : 3;
  return `${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ha`;
}

/** Metres as people say them. */
export function distance(metres) {
  const [value, unit] = metres >= 1000 ? [metres / 1000, "km"] : [metres, "m"];
  const digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3;
  return `${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** A measured value with as many digits as a float32 can mean. */
export function measured(value) {
  if (value === null || value === undefined) return "no data";
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** Scene coordinates with decimals that mean about a tenth of a pixel. */
export function coordinate(value, resolution) {
  const digits = Math.min(Math.max(Math.ceil(-Math.log10(resolution)) + 1, 0), 8);
  return value.toFixed(digits);
}

export function lonLat([lon, lat]) {
  const east = `${Math.abs(lon).toFixed(5)}° ${lon < 0 ? "W" : "E"}`;
  const north = `${Math.abs(lat).toFixed(5)}° ${lat < 0 ? "S" : "N"}`;
  return `${north}, ${east}`;
}

/** The smallest of 1, 2, 5 x 10^n that is not below `value`. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/** The largest of 1, 2, 5 x 10^n that is not above `value`. */
export function roundDown(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}
