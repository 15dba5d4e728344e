// Without WebGL: a still picture and a clear word; or the word alone, when the browser takes it away later.

import { button, element, swatch } from "./dom.js";
import { hectares, percent } from "./numbers.js";

export function stillPicture(data, reason) {
  const spec = data.layers.find((layer) => layer.kind === "classes");
  const line = (entry) => {
    const area = spec.areas.find((other) => other.id === entry.id);
    return element(
      "li",
      {},
      swatch(entry.color),
      element("span", { class: "name" }, entry.name),
      area ? element("span", { class: "area" }, hectares(area.hectares)) : null,
      area ? element("span", { class: "share" }, percent(area.share)) : null,
    );
  };
  const picture = data.still
    ? element("img", { src: data.still, alt: `Picture of ${spec?.title ?? "the scene"}` })
    : null;
  return element(
    "div",
    { class: "still" },
    element("p", { class: "problem", role: "alert" }, reason),
    element(
      "div",
      { class: "still-body" },
      picture,
      spec ? element("ul", { class: "legend" }, spec.classes.map(line)) : null,
    ),
  );
}

export const NO_WEBGL =
  "This browser draws without WebGL, so the map cannot be moved or clicked: a still picture is shown. " +
  "Switch on hardware acceleration in the browser's settings, or use a current Firefox, Chrome or Edge.";

export function lostWebGL() {
  return element(
    "div",
    { class: "lost", role: "alert" },
    element("p", {}, "The browser stopped drawing the map (it lost WebGL). Load the page again to go on."),
    button("Load again", () => window.location.reload()),
  );
}
