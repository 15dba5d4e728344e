// Lengths on the ellipsoid of WGS 84.

const A = 6378137; // metres
const F = 1 / 298.257223563;

const radians = (degrees) => (degrees * Math.PI) / 180;

/**
 * Metres along the geodesic between two places [longitude, latitude] in degrees: the arc on the sphere of
 * reduced latitudes with the first-order correction in the flattening of Lambert (1942); it is off by less
 * than 2e-5 of the length short of the antipode.
 */
export function geodesic([lon1, lat1], [lon2, lat2]) {
  const [one, two] = [lat1, lat2].map((lat) => Math.atan((1 - F) * Math.tan(radians(lat))));
  const across = Math.sin(radians(lon2 - lon1) / 2) ** 2;
  const half = Math.sin((two - one) / 2) ** 2 + Math.cos(one) * Math.cos(two) * across;
  const arc = 2 * Math.asin(Math.sqrt(Math.min(half, 1)));
  if (arc === 0) return 0;
  const [sum, difference] = [(one + two) / 2, (two - one) / 2];
  const x = ((arc - Math.sin(arc)) * Math.sin(sum) ** 2 * Math.cos(difference) ** 2) / Math.cos(arc / 2) ** 2;
  const y = ((arc + Math.sin(arc)) * Math.cos(sum) ** 2 * Math.sin(difference) ** 2) / Math.sin(arc / 2) ** 2;
  return A * (arc - (F / 2) * (x + y));
}
