// How values become brightness: a histogram of each band shown, its lowest and highest value, and gamma.

import { bandName } from "./bands.js";
import { button, element, slider, svg } from "./dom.js";
import { measured } from "./numbers.js";
import { bandSample } from "./sources.js";

const BARS = 64;
const TALL = 40; // pixels
const INKS = ["#c4312b", "#2f7d32", "#2566c8"]; // red, green and blue, on light and on dark
const GAMMA = { min: 0.2, max: 3, step: 0.05 };

/** The controls of a layer's stretch: what is the same for all of its bands, then a part for each. */
export function stretchControls(app, record) {
  const { spec, bands } = record;
  if (!record.stretches.length) return { shared: [], each: [] };
  const buttons = element(
    "div",
    { class: "presets" },
    button("Stretch as at first", () => app.layers.setStretch(spec.id, null), {
      title: "Between the percentiles that the layer began with",
    }),
    button("Lowest to highest", () => widen(app, record), {
      title: "Between the lowest and the highest value of an overview of the file",
    }),
  );
  const each = bands.map((band, index) =>
    element("div", { class: "stretch" }, histogram(record, band, index), ends(app, record, band, index)),
  );
  return { shared: [buttons, gamma(app, record)], each };
}

async function widen(app, { spec, bands }) {
  const samples = await Promise.all(bands.map((band) => bandSample(spec.url, band, spec)));
  const pairs = bands.map((band, index) => [band, [samples[index][0], samples[index].at(-1)]]);
  const good = pairs.filter(([, [low, high]]) => low < high);
  if (good.length) app.layers.setStretch(spec.id, good);
}

function gamma(app, record) {
  const { spec } = record;
  const said = element("output", {}, record.gamma.toFixed(2));
  const input = slider(
    `Gamma of ${spec.title}`,
    record.gamma,
    (value) => {
      said.textContent = value.toFixed(2);
      app.layers.setGamma(spec.id, value);
    },
    { ...GAMMA, "data-focus": `${spec.id} gamma`, title: "Above 1 brightens what is dark; 1 changes nothing" },
  );
  return element("label", { class: "field" }, element("span", {}, "Gamma"), input, said);
}

/** Fields for the lowest and highest value shown of a band. */
function ends(app, { spec, stretches }, band, index) {
  const now = stretches[index];
  const field = (words, at) =>
    element("input", {
      type: "number",
      step: "any",
      value: measured(Number(now[at].toPrecision(4))),
      "aria-label": `${words} of ${bandName(spec, band)}`,
      title: words,
      "data-focus": `${spec.id} ${index} ${words}`,
      onchange: (event) => {
        const wanted = now.map((value, end) => (end === at ? Number(event.target.value) : value));
        if (event.target.value !== "" && wanted[0] < wanted[1])
          app.layers.setStretch(spec.id, [[band, wanted]]);
        else event.target.value = measured(now[at]);
      },
    });
  const fields = element(
    "span",
    { class: "ends" },
    field("Lowest value shown", 0),
    field("Highest value shown", 1),
  );
  return element("div", { class: "field" }, element("span", {}, spec.decibel ? "dB" : "from, to"), fields);
}

/** How often values occur in an overview of the file; what is cut off by the stretch is pale. */
function histogram({ spec, bands, stretches }, band, index) {
  const name = bandName(spec, band);
  const plot = svg("svg", {
    class: "histogram",
    viewBox: `0 0 ${BARS} ${TALL}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": `Histogram of ${name}`,
  });
  bandSample(spec.url, band, spec)
    .then((sorted) => plot.append(...bars(sorted, stretches[index], bands.length === 3 ? INKS[index] : null)))
    .catch(() => plot.remove()); // the layer itself says that its file cannot be read
  return plot;
}

function bars(sorted, [low, high], ink) {
  if (!sorted.length || sorted[0] === sorted.at(-1)) return [];
  const [first, last] = [sorted[0], sorted.at(-1)];
  const width = (last - first) / BARS;
  const counts = new Array(BARS).fill(0);
  for (const value of sorted) counts[Math.min(Math.floor((value - first) / width), BARS - 1)] += 1;
  const most = Math.max(...counts);
  return counts.map((count, bar) => {
    const middle = first + (bar + 0.5) * width;
    const height = (TALL * count) / most;
    return svg("rect", {
      x: bar,
      y: TALL - height,
      width: 1,
      height,
      class: middle < low || middle > high ? "cut" : "",
      style: ink ? `fill: ${ink}` : null,
    });
  });
}
