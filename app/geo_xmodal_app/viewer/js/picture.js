// The map as it is seen, with legend and scale bar, as a PNG.

import { hasClasses } from "./layers.js";
import { percent } from "./numbers.js";
import { scaleBar } from "./readout.js";

const [MARGIN, LEGEND, LINE] = [16, 230, 22];
const INK = "#1c2126";

export function savePicture(app) {
  app.map.once("rendercomplete", () => {
    const canvas = compose(app);
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "map.png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }, "image/png");
  });
  app.map.renderSync();
}

function compose(app) {
  const [width, height] = app.map.getSize();
  const ratio = window.devicePixelRatio || 1;
  const shown = app.layers.list().find(({ spec, layer }) => hasClasses(spec) && layer.getVisible())?.spec;
  const entries = shown
    ? app.colored(shown.classes).filter((entry) => !app.settings.hidden.has(entry.id))
    : [];
  const below = 46;
  const tall = Math.max(height, 2 * LINE + entries.length * LINE) + below + MARGIN;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round((width + 2 * MARGIN + (entries.length ? LEGEND : 0)) * ratio);
  canvas.height = Math.round((tall + MARGIN) * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false; // classes are never blended
  drawMap(app, pen, width, height);
  pen.strokeStyle = INK;
  pen.lineWidth = 1;
  pen.strokeRect(MARGIN - 0.5, MARGIN - 0.5, width + 1, height + 1);
  if (entries.length) drawLegend(pen, shown, entries, width + 2 * MARGIN);
  drawScale(app, pen, height + MARGIN + 16);
  return canvas;
}

function drawMap(app, pen, width, height) {
  pen.save();
  pen.beginPath();
  pen.rect(MARGIN, MARGIN, width, height);
  pen.clip();
  for (const canvas of app.map.getViewport().querySelectorAll(".ol-layer canvas, canvas.ol-layer")) {
    if (!canvas.width) continue;
    const box = canvas.parentNode.style.opacity || canvas.style.opacity;
    pen.globalAlpha = box === "" ? 1 : Number(box);
    pen.drawImage(canvas, MARGIN, MARGIN, width, height);
  }
  pen.restore();
}

function drawLegend(pen, spec, entries, left) {
  pen.fillStyle = INK;
  pen.font = "600 13px sans-serif";
  pen.fillText(fitted(pen, spec.title, LEGEND - MARGIN), left, MARGIN + 12);
  pen.font = "12px sans-serif";
  entries.forEach((entry, index) => {
    const top = MARGIN + 24 + index * LINE;
    pen.fillStyle = entry.color;
    pen.fillRect(left, top, 18, 14);
    pen.strokeStyle = INK;
    pen.lineWidth = 0.5;
    pen.strokeRect(left, top, 18, 14);
    pen.fillStyle = INK;
    const area = spec.areas.find((other) => other.id === entry.id);
    const share = area ? percent(area.share) : "";
    pen.fillText(fitted(pen, entry.name, LEGEND - 26 - MARGIN - 52), left + 26, top + 12);
    pen.textAlign = "right";
    pen.fillText(share, left + LEGEND - MARGIN, top + 12);
    pen.textAlign = "left";
  });
}

function drawScale(app, pen, top) {
  const { length, words } = scaleBar(app);
  pen.fillStyle = INK;
  pen.fillRect(MARGIN, top, length, 4);
  pen.font = "12px sans-serif";
  pen.fillText(words, MARGIN + length + 8, top + 6);
  const { viewport } = app.geometry;
  pen.fillStyle = "#5a646c";
  pen.fillText(`${viewport.crs}${viewport.epsg ? ` (EPSG:${viewport.epsg})` : ""}`, MARGIN, top + 24);
}

/** As much of the words as there is room for. */
function fitted(pen, words, room) {
  let shown = words;
  while (shown.length > 1 && pen.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  return shown;
}
