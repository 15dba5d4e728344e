// Labels that are drawn: the tools, and what is drawn as the server has it.

import { createClassList } from "./class_list.js";
import { button, element, section, slider } from "./dom.js";
import { createStore } from "./label_store.js";
import { group } from "./numbers.js";
import { createSegments } from "./segments.js";

const ERASER = 0; // the class of a brush that takes labels away
const OPAQUE = "8c"; // as the last two digits of a colour
const RADIUS = { words: "Radius", min: 1, max: 30 };
const SIZE = { words: "Size", min: 20, max: 1000 };
const TOOLS = {
  point: { title: "Point", words: "A click labels one pixel" },
  polygon: { title: "Polygon", words: "A click for each corner; a double click ends" },
  brush: { title: "Brush", words: "Press and move to paint; a click paints a disc", sized: "radius" },
  segment: { title: "Segment", words: "A click labels the pixels around that look alike", sized: "pixels" },
  eraser: { title: "Eraser", words: "Press and move to take labels away", sized: "radius" },
  delete: { title: "Delete", words: "A click takes away one area that is drawn" },
};

export function createLabels(app, address) {
  const { ol, map, geometry, pen } = app;
  const { node, body } = section("Draw labels", true, "labels");
  const settings = { radius: 3, pixels: 150 };
  let tool = null;
  let shown = null; // the state that is on the map
  let moving = null; // the feature of a brush that is pressed

  const drawn = layer((feature) => [line("#ffffff", 3.5), area(classes.color(feature.get("label")))], 850);
  const pending = layer(provisional, 860);
  const cursor = layer([line("#ffffff", 3), line("#000000", 1)], 870);

  const problem = element("p", { class: "problem", role: "alert" });
  const said = element("p", { class: "hint", role: "status" });
  const fail = (text) => (problem.textContent = text);
  const store = createStore(address, {
    changed: render,
    saved: (revision) => app.send("labels", revision), // the page around the map counts anew
    failed: fail,
  });
  const classes = createClassList(app, store);
  const segments = createSegments(app, address, {
    found: (count) => (said.textContent = `${group(count)} segments`),
    failed: fail,
  });

  const buttons = Object.entries(TOOLS).map(([name, { title, words }]) =>
    button(title, () => choose(tool === name ? null : name), { title: words, "data-tool": name }),
  );
  const size = element("div", {});
  const undo = button("Undo", () => store.undo(), { title: "Ctrl+Z" });
  const redo = button("Redo", () => store.redo(), { title: "Ctrl+Shift+Z" });
  const clear = button("Clear all", () => store.change(() => ({ polygons: [] })));
  body.append(
    element("div", { class: "presets", role: "group", "aria-label": "Drawing tools" }, buttons),
    size,
    classes.node,
    element("div", { class: "presets" }, undo, redo, clear),
    problem,
    said,
  );

  function layer(style, zIndex) {
    const source = new ol.source.Vector();
    map.addLayer(new ol.layer.Vector({ source, style, zIndex }));
    return source;
  }

  function line(color, width) {
    return new ol.style.Style({ stroke: new ol.style.Stroke({ color, width }) });
  }

  function area(color) {
    const stroke = new ol.style.Stroke({ color, width: 1.5 });
    return new ol.style.Style({ fill: new ol.style.Fill({ color: color + OPAQUE }), stroke });
  }

  /** What is drawn but not saved yet; a brush as wide as it will be. */
  function provisional(feature, resolution) {
    const id = feature.get("label") ?? classes.picked();
    const color = id === ERASER ? "#ffffff" : classes.color(id);
    const radius = feature.get("radius");
    if (!radius) return area(color);
    const width = Math.max(1, (2 * radius * geometry.resolution) / resolution);
    const stroke = { color: color + OPAQUE, width, lineCap: "round", lineJoin: "round" };
    return new ol.style.Style({ stroke: new ol.style.Stroke(stroke) });
  }

  // what the tools do

  const label = () => (tool === "eraser" ? ERASER : classes.picked());
  const pixelOf = (place) => geometry.toPixel(...place).map((value) => Math.round(value * 1000) / 1000);

  function add(added) {
    const cleared = () => store.saving() || moving || pending.clear();
    if (added.label === null) {
      fail("there is no class to draw: add one");
      setTimeout(cleared); // OpenLayers shows what was drawn only now
    } else store.change(() => ({ added })).then(cleared);
  }

  function point(place) {
    const [col, row] = pixelOf(place).map(Math.floor);
    const ring = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]].map(([right, down]) => [col + right, row + down]); // prettier-ignore
    add({ label: label(), rings: [ring] });
  }

  function polygon(rings, feature) {
    feature.set("label", label());
    add({ label: label(), rings: rings.map((ring) => ring.map(pixelOf)) });
  }

  function segment(place) {
    const rings = segments.at(place);
    if (rings) add({ label: label(), rings });
  }

  function erase(place) {
    const [feature] = drawn.getFeaturesAtCoordinate(place);
    if (!feature) return;
    const at = feature.get("at");
    store.change(({ polygons }) => ({ polygons: polygons.filter((_, index) => index !== at) }));
  }

  function paint(places) {
    if (!moving) {
      moving = new ol.Feature(new ol.geom.LineString([places[0], places[0]]));
      moving.setProperties({ label: label(), radius: settings.radius });
      pending.addFeature(moving);
    } else moving.getGeometry().setCoordinates(places);
  }

  function dropped() {
    if (moving) pending.removeFeature(moving);
    moving = null;
  }

  function painted(places) {
    moving = null;
    const path = thinned(places.map(pixelOf), settings.radius / 4);
    add({ label: label(), path, radius: settings.radius });
  }

  const brush = () => pen.path({ moved: paint, done: painted, dropped });
  const made = {
    point: () => pen.click(point),
    polygon: () => pen.polygon({ source: pending, done: polygon }),
    brush,
    segment: () => pen.click(segment),
    eraser: brush,
    delete: () => pen.click(erase),
  };
  const atCentre = {
    point,
    segment,
    delete: erase,
    brush: (place) => painted([place]),
    eraser: (place) => painted([place]),
  };

  function choose(wanted) {
    pen.lay();
    if (!wanted) return;
    pen.take([made[wanted]()], () => {
      tool = null;
      cursor.clear();
      segments.hide();
      renderTools();
    });
    tool = wanted;
    if (tool === "segment") segments.show(settings.pixels);
    renderTools();
  }

  map.on("pointermove", ({ coordinate }) => {
    cursor.clear();
    if (TOOLS[tool]?.sized !== "radius") return;
    const circle = new ol.geom.Circle(coordinate, settings.radius * geometry.resolution);
    cursor.addFeature(new ol.Feature(circle));
  });
  map.getViewport().addEventListener("pointerleave", () => cursor.clear());
  map.getTargetElement().addEventListener("keydown", (event) => {
    const here = event.key === "Enter" && event.target === event.currentTarget;
    if (here) atCentre[tool]?.(map.getView().getCenter());
  });
  app.root.addEventListener("keydown", (event) => {
    const typing = event.composedPath()[0].matches?.("input[type=text]");
    if (typing || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) store.redo();
    else store.undo();
  });

  // what is shown

  function render() {
    const state = store.get();
    node.setAttribute("aria-busy", String(store.saving()));
    renderTools();
    if (state === shown) return;
    shown = state;
    drawn.clear();
    drawn.addFeatures(
      state.polygons.map(({ label: id, rings }, at) => {
        const feature = new ol.Feature(new ol.geom.Polygon(geometry.fromRings(rings)));
        feature.setProperties({ label: id, at });
        return feature;
      }),
    );
    classes.render();
    const count = state.polygons.length;
    said.textContent = count === 1 ? "1 area, saved" : `${group(count)} areas, saved`;
  }

  function renderTools() {
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
    undo.disabled = !store.undone();
    redo.disabled = !store.redone();
    clear.disabled = !store.get()?.polygons.length;
    const { sized } = TOOLS[tool] ?? {};
    if (size.dataset.sized === (sized ?? "")) return;
    size.dataset.sized = sized ?? "";
    size.replaceChildren(...(sized ? [sizeField(sized, sized === "radius" ? RADIUS : SIZE)] : []));
  }

  function sizeField(sized, { words, min, max }) {
    const value = element("output", {}, `${settings[sized]} px`);
    const set = (chosen) => {
      settings[sized] = chosen;
      value.textContent = `${chosen} px`;
    };
    const onchange = () => sized === "pixels" && segments.show(settings.pixels);
    const input = slider(`${words} in pixels`, settings[sized], set, { min, max, onchange });
    return element("label", { class: "field" }, element("span", {}, words), input, value);
  }

  store.load();
  return node;
}

/** A path without places that lie closer than `apart` to the one before; its ends stay. */
function thinned(path, apart) {
  const kept = [path[0]];
  const far = ([x, y]) => Math.hypot(x - kept.at(-1)[0], y - kept.at(-1)[1]) >= apart;
  for (const place of path.slice(1, -1)) if (far(place)) kept.push(place);
  return path.length > 1 ? [...kept, path.at(-1)] : kept;
}
