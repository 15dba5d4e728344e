// The viewer as a whole: mounted once, told of new data whenever the page runs again.

import { createAreas } from "./areas.js";
import { createBackdrop } from "./backdrop.js";
import { createCompare } from "./compare.js";
import { element, iconButton, section } from "./dom.js";
import { sceneGeometry } from "./geometry.js";
import { createLayerList } from "./layer_list.js";
import { createLayers } from "./layers.js";
import { createLabels } from "./labels.js";
import { createLegend } from "./legend.js";
import { hasWebGL, loadLibraries } from "./libraries.js";
import { createMeasure } from "./measure.js";
import { createPen } from "./pen.js";
import { savePicture } from "./picture.js";
import { createProbe } from "./probe.js";
import { createReadout } from "./readout.js";
import { lostWebGL, NO_WEBGL, stillPicture } from "./still.js";
import { createSwipe } from "./swipe.js";

const mounted = new WeakMap();

const ICONS = {
  closer: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  farther: "M5 11h14v2H5z",
  whole: "M12 4l9 8h-3v7h-5v-5h-2v5H6v-7H3z",
  full: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
  picture: "M11 4h2v8h3l-4 5-4-5h3zM5 18h14v2H5z",
  panel: "M4 5h16v14H4zM15 7v10h3V7z",
};

/** Called by Streamlit at first and whenever the data changes; gives back what takes it down. */
export async function mount(component) {
  const { parentElement, data } = component;
  const known = mounted.get(parentElement) ?? { turn: 0, app: null };
  mounted.set(parentElement, known);
  known.turn += 1;
  const { turn } = known;
  known.next = component;
  known.starting ??= start(parentElement, data, (name, value) => known.next.setStateValue(name, value));
  known.app = await known.starting;
  if (turn === known.turn) known.app.update(known.next.data);
  return () => {
    if (turn !== known.turn) return; // the answer to an older call: the viewer lives on
    known.app.destroy();
    mounted.delete(parentElement);
  };
}

async function start(parentElement, data, send) {
  const root = element("section", { class: "viewer", "aria-label": "Map viewer" });
  root.style.height = `${data.height}px`;
  parentElement.append(root);
  const destroy = () => root.remove();
  const still = (reason) => ({
    update: (fresh) => root.replaceChildren(stillPicture(fresh, reason)),
    destroy,
  });
  if (!hasWebGL()) return still(NO_WEBGL);
  root.append(element("p", { class: "hint", role: "status" }, "Loading the map…"));
  try {
    const sheet = element("link", { rel: "stylesheet", href: `${data.libraries}/ol.css` });
    parentElement.append(sheet);
    await loadLibraries(data.libraries);
  } catch (error) {
    return still(error.message);
  }
  return viewer(root, data, send);
}

function viewer(root, data, send) {
  const { ol, proj4 } = window;
  const target = element("div", {
    class: "map",
    tabindex: 0,
    role: "application",
    "aria-label": "Map. Arrow keys move it, plus and minus zoom, Enter reads the pixel at its centre.",
  });
  const stage = element("div", { class: "stage" }, target);
  // While it is caught on its way down, as the event does not rise from the canvas; one word for all layers.
  const lost = () => stage.querySelector(".lost") ?? stage.append(lostWebGL());
  target.addEventListener("webglcontextlost", lost, true);
  const panel = element("div", { class: "panel" });
  root.replaceChildren(stage, panel);
  const geometry = sceneGeometry(ol, proj4, data.viewport);
  const view = new ol.View({
    projection: geometry.projection,
    center: ol.extent.getCenter(geometry.extent),
    resolution: geometry.resolution,
    minResolution: geometry.resolution / 32,
    maxResolution: (geometry.resolution * Math.max(data.viewport.width, data.viewport.height)) / 100,
    showFullExtent: true,
    enableRotation: false,
  });
  // Else it is the shadow root's host, and a slider in the panel would move the map.
  const map = new ol.Map({ target, view, controls: [], keyboardEventTarget: target });
  const listeners = new Map();
  const app = {
    ol,
    root,
    map,
    geometry,
    data,
    send,
    drawing: false,
    settings: {
      hidden: new Set(data.settings.hidden),
      threshold: data.settings.threshold,
      safe: false,
      compare: null,
    },
    /** Something is about to be drawn anew; `aria-busy` says so until it has been. */
    busy() {
      root.setAttribute("aria-busy", "true");
      map.render();
    },
    on: (name, listener) => listeners.set(name, [...(listeners.get(name) ?? []), listener]),
    emit: (name) => (listeners.get(name) ?? []).forEach((listener) => listener()),
    colored: (classes) =>
      app.settings.safe ? classes.map((entry) => ({ ...entry, color: entry.safe_color })) : classes,
    sendSettings: () =>
      send("settings", {
        hidden: [...app.settings.hidden],
        threshold: app.settings.threshold,
        compare: app.settings.compare,
      }),
  };
  app.layers = createLayers(app);
  app.pen = createPen(app);
  app.layers.sync(data.layers);
  const backdrop = createBackdrop(app);
  const base = section("Background", false, "background");
  base.body.append(backdrop.node);
  stage.append(toolbar(app, panel), createReadout(app), createProbe(app));
  if (data.drawing) panel.append(createLabels(app, data.drawing), createLayerList(app), base.node);
  else
    panel.append(
      createLayerList(app),
      createLegend(app),
      createAreas(app),
      createMeasure(app),
      createSwipe(app),
      createCompare(app),
      base.node,
    );
  const whole = () => view.fit(geometry.extent, { padding: [12, 12, 12, 12] });
  whole();
  app.whole = whole;
  root.addEventListener("keydown", (event) => event.key === "Escape" && app.emit("escape"));
  const resized = new ResizeObserver(() => map.updateSize());
  resized.observe(target);
  map.on("precompose", () => root.setAttribute("aria-busy", "true"));
  map.on("rendercomplete", () => app.layers.loading() || root.setAttribute("aria-busy", "false"));
  return {
    update(fresh) {
      if (fresh === app.data) return;
      app.data = fresh;
      root.style.height = document.fullscreenElement ? "" : `${fresh.height}px`;
      app.layers.sync(fresh.layers);
      app.emit("data");
    },
    destroy() {
      resized.disconnect();
      map.setTarget(null);
      map.dispose();
      root.remove();
    },
  };
}

function toolbar(app, panel) {
  const zoom = (by) => () => {
    app.busy();
    app.map.getView().animate({ zoom: app.map.getView().getZoom() + by, duration: 150 });
  };
  const whole = () => app.whole();
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : app.root.requestFullscreen());
  const fold = (event) => {
    panel.hidden = !panel.hidden;
    event.currentTarget.setAttribute("aria-expanded", String(!panel.hidden));
  };
  return element(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Map tools" },
    iconButton("Zoom in", ICONS.closer, zoom(1)),
    iconButton("Zoom out", ICONS.farther, zoom(-1)),
    iconButton("Whole scene", ICONS.whole, whole),
    iconButton("Full screen", ICONS.full, full),
    iconButton("Save as PNG, with legend and scale bar", ICONS.picture, () => savePicture(app)),
    iconButton("Show or hide the panel", ICONS.panel, fold, { "aria-expanded": "true" }),
  );
}
