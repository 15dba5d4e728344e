// The classes that are drawn, beside the image: which is drawn next, names, colours, how much there is of each.

import { button, element, iconButton } from "./dom.js";
import { group } from "./numbers.js";

const REMOVE = "M6 7h12v2H6zM9 4h6v2H9zM7 10h10l-1 10H8z";
const MAX_NAME = 200;

export function createClassList(app, store) {
  let picked = null;
  const list = element("ul", { class: "drawn-classes", "aria-label": "Classes" });
  const name = element("input", {
    type: "text",
    maxlength: MAX_NAME,
    placeholder: "Name of a new class",
    "aria-label": "Name of a new class",
    onkeydown: (event) => event.key === "Enter" && add(),
  });
  const node = element("div", {}, list, element("div", { class: "field" }, name, button("Add", add)));

  async function add() {
    const wanted = name.value.trim();
    if (!wanted) {
      name.focus();
      return;
    }
    name.value = "";
    await store.change(({ classes }) => {
      picked = null;
      return { classes, new_class: wanted };
    });
    picked = store.get().classes.at(-1)?.id ?? null;
    render();
  }

  function edit(id, what) {
    store.change(({ classes }) => ({
      classes: classes.map((entry) => (entry.id === id ? { ...entry, ...what } : entry)),
    }));
  }

  function drop(id) {
    store.change(({ classes, polygons }) => ({
      classes: classes.filter((entry) => entry.id !== id),
      polygons: polygons.filter((one) => one.label !== id),
    }));
  }

  function render() {
    const { classes, pixels } = store.get();
    if (!classes.some((entry) => entry.id === picked)) picked = classes[0]?.id ?? null;
    const active = app.root.getRootNode().activeElement;
    const focus = list.contains(active) ? active.dataset.focus : null;
    const typed = focus?.startsWith("name") ? active.value : null;
    list.replaceChildren(...classes.map((entry) => row(entry, pixels[entry.id] ?? 0)));
    const again = focus ? list.querySelector(`[data-focus="${CSS.escape(focus)}"]`) : null;
    if (again && typed !== null) again.value = typed;
    again?.focus();
  }

  function row({ id, name: called, color }, pixels) {
    const pick = element("input", {
      type: "radio",
      name: "drawn-class",
      "aria-label": `Draw ${called}`,
      "data-focus": `pick ${id}`,
      onchange: () => {
        picked = id;
      },
    });
    pick.checked = id === picked;
    const swatch = element("input", {
      type: "color",
      "aria-label": `Colour of ${called}`,
      "data-focus": `color ${id}`,
      onchange: (event) => edit(id, { color: event.target.value }),
    });
    swatch.value = color;
    const field = element("input", {
      type: "text",
      maxlength: MAX_NAME,
      "aria-label": `Name of ${called}`,
      "data-focus": `name ${id}`,
      onfocus: () => {
        picked = id;
        pick.checked = true;
      },
      onchange: (event) => {
        const wanted = event.target.value.trim();
        if (wanted && wanted !== called) edit(id, { name: wanted });
        else event.target.value = called;
      },
    });
    field.value = called;
    return element(
      "li",
      { "data-class": id },
      pick,
      swatch,
      field,
      element("output", { title: "Pixels drawn, about" }, pixels ? `${group(pixels)} px` : "–"),
      iconButton(`Remove ${called} and what is drawn of it`, REMOVE, () => drop(id)),
    );
  }

  return {
    node,
    render,
    picked: () => picked,
    color: (id) => store.get()?.classes.find((entry) => entry.id === id)?.color ?? "#ffffff",
  };
}
