// The address of somebody's own map tiles, typed by hand: kept for the session, asked for by the browser alone.

import { button, choice, element } from "./dom.js";

const KINDS = [
  ["xyz", "XYZ tiles"],
  ["wms", "WMS"],
];
const MAX_ADDRESS = 1000;

export function createBasemapForm(app) {
  const { own, own_basemap_address: route } = app.data;
  const text = (words, value, placeholder) =>
    element("input", { type: "text", maxlength: MAX_ADDRESS, "aria-label": words, value, placeholder, oninput: tell });
  const address = text("Address of your own basemap", own?.address ?? "");
  const layers = text("Layers of the WMS", own?.layers ?? "", "names, separated by commas");
  const named = element("label", { class: "field" }, element("span", {}, "Layers"), layers);
  const kind = choice("Kind of basemap", KINDS, own?.kind ?? "xyz", tell);
  const warning = element("p", { class: "hint" });
  const problem = element("p", { class: "problem", role: "alert" });
  const row = (words, field) => element("label", { class: "field" }, element("span", {}, words), field);

  function tell() {
    named.hidden = kind.value !== "wms";
    address.placeholder = named.hidden ? "https://…/{z}/{x}/{y}.png" : "https://…/wms";
    const host = URL.canParse(address.value) ? new URL(address.value).host : "";
    warning.textContent =
      `Your browser will ask ${host || "that server"} for tiles when you switch the basemap on: it then learns ` +
      "your address and which part of the world you look at. This server never asks it.";
  }

  async function send(method, body) {
    problem.textContent = "";
    const answer = await fetch(route, { method, body }).catch(() => null);
    if (answer?.ok) {
      window.location.reload(); // what a page may ask for is settled as it is loaded
      return;
    }
    const said = await answer?.json().catch(() => null);
    problem.textContent = said?.problem ?? "the server does not answer: try again";
  }

  const save = () =>
    send("PUT", JSON.stringify({ kind: kind.value, address: address.value.trim(), layers: layers.value.trim() }));
  tell();
  const remove = own ? button("Remove it", () => send("DELETE")) : null;
  return element(
    "details",
    { class: "basemap-form" },
    element("summary", {}, "Your own basemap"),
    row("Kind", kind),
    row("Address", address),
    named,
    warning,
    element("div", { class: "presets" }, button("Keep and load the page again", save), remove),
    problem,
  );
}
