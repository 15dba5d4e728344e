// The values of a pixel over the bands, as an SVG plot.

import { svg } from "./dom.js";
import { measured } from "./numbers.js";

const [WIDTH, HEIGHT] = [276, 132];
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 8, 8, 28];
const MARKED_POINTS = 24;

export function spectrumPlot(spec, numbers) {
  const known =
    spec.wavelengths.length === numbers.length && spec.wavelengths.every((value) => value !== null);
  const points = numbers
    .map((value, band) => ({ at: known ? spec.wavelengths[band] : band + 1, value, band }))
    .sort((one, other) => one.at - other.at);
  const values = points.map(({ value }) => value).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const [first, last] = [points[0].at, points[points.length - 1].at];
  const x = (at) => LEFT + ((at - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / span) * (HEIGHT - TOP - BOTTOM);
  const words = `${spec.title}: ${values.length} bands, ${measured(low)} to ${measured(high)} ${spec.unit}`;
  const ticks = [first, (first + last) / 2, last].map((at, index) =>
    svg(
      "text",
      { x: x(at), y: HEIGHT - 14, "text-anchor": ["start", "middle", "end"][index] },
      String(Math.round(at)),
    ),
  );
  const marks = [low, high].map((value) =>
    svg("text", { x: LEFT - 4, y: y(value) + 3, "text-anchor": "end" }, measuredShort(value)),
  );
  const dots =
    points.length <= MARKED_POINTS
      ? points
          .filter(({ value }) => value !== null)
          .map(({ at, value }) => svg("circle", { cx: x(at), cy: y(value), r: 2.5 }))
      : [];
  return svg(
    "svg",
    { class: "spectrum", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
    svg("title", {}, words),
    svg("path", { class: "axis", d: `M${LEFT},${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}` }),
    svg("path", { class: "line", d: path(points, x, y) }),
    ...dots,
    ...ticks,
    ...marks,
    svg(
      "text",
      { x: (LEFT + WIDTH) / 2, y: HEIGHT - 2, "text-anchor": "middle", class: "quiet" },
      known ? "wavelength, nm" : "band",
    ),
  );
}

/** A line with a gap where a band has no data. */
function path(points, x, y) {
  let up = true;
  return points
    .map(({ at, value }) => {
      if (value === null) {
        up = true;
        return "";
      }
      const step = `${up ? "M" : "L"}${x(at).toFixed(1)},${y(value).toFixed(1)}`;
      up = false;
      return step;
    })
    .join("");
}

const measuredShort = (value) => String(Number(value.toPrecision(3)));
