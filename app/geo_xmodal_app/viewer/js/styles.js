// How numbers become colours, as OpenLayers' WebGL expressions.

const DIMMED = 0.2; // opacity of doubtful pixels
const NOTHING = "rgba(0,0,0,0)";

// cividis (Nuñez, Anderton & Renslow 2018), which colour-blind readers see in the same order.
const RAMP = [
  "#00224e",
  "#123570",
  "#3b496c",
  "#575d6d",
  "#707173",
  "#8a8678",
  "#a59c74",
  "#c3b369",
  "#e1cc55",
  "#fee838",
];
const GREYS = ["#000000", "#ffffff"];

export const DISAGREES = "#d55e00";
export const AGREES = "#9aa5ab";

/** Class ids in band 1 (bytes), the probability's raw value in band 2 where there is one. */
export function classStyle(classes, hidden, withProbability) {
  const id = ["*", ["band", 1], 255];
  const full = ["palette", id, table(classes, hidden, 1)];
  if (!withProbability) return { color: full };
  const doubtful = ["<", ["*", ["band", 2], 255], ["var", "threshold"]];
  return {
    color: ["case", doubtful, ["palette", id, table(classes, hidden, DIMMED)], full],
    variables: { threshold: 0 },
  };
}

function table(classes, hidden, opacity) {
  const colors = new Array(256).fill(NOTHING);
  for (const entry of classes) {
    if (hidden.has(entry.id)) continue;
    const [red, green, blue] = rgb(entry.color);
    colors[entry.id] = `rgba(${red},${green},${blue},${opacity})`;
  }
  return colors;
}

export const rgb = (color) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));

/**
 * One or three bands between their limits, their shares raised to 1 / gamma; the last band is 0 where there
 * is no data.
 */
export function numberStyle(stretches, ramp, gamma) {
  const count = stretches.length;
  const there = [">", ["band", count + 1], 0.5];
  const variables = { exponent: 1 / gamma };
  stretches.forEach(([low, high], index) => {
    variables[`low${index}`] = low;
    variables[`high${index}`] = high;
  });
  const shares = stretches.map((_, index) => {
    const [low, high] = [["var", `low${index}`], ["var", `high${index}`]];
    const share = ["/", ["-", ["band", index + 1], low], ["-", high, low]];
    return ["^", ["clamp", share, 0, 1], ["var", "exponent"]];
  });
  if (count >= 3) return { color: ["array", ...shares.slice(0, 3), ["case", there, 1, 0]], variables };
  const colors = ramp === "ramp" ? RAMP : GREYS;
  const stops = colors.flatMap((color, index) => [index / (colors.length - 1), color]);
  return { color: ["case", there, ["interpolate", ["linear"], shares[0], ...stops], NOTHING], variables };
}

export const rampColors = (ramp) => (ramp === "ramp" ? RAMP : GREYS);

/** Two class maps in bands 1 and 2 (bytes): where both have a class, whether it is the same. */
export function disagreementStyle() {
  const missing = ["any", ["<", ["band", 1], 0.001], ["<", ["band", 2], 0.001]];
  const same = ["<", ["abs", ["-", ["band", 1], ["band", 2]]], 0.001];
  return { color: ["case", missing, NOTHING, same, AGREES, DISAGREES] };
}
