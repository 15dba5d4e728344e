// Elements from words: text always becomes a text node, so that a name from a file is never markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean" && name in node) node[name] = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

export function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, label);
}

/** A picture-only button with the words that a screen reader says and a pointer shows. */
export function iconButton(words, path, onclick, attributes = {}) {
  const icon = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: path }));
  return element(
    "button",
    { type: "button", class: "icon", title: words, "aria-label": words, onclick, ...attributes },
    icon,
  );
}

export function swatch(color) {
  const mark = element("span", { class: "swatch", "aria-hidden": "true" });
  mark.style.backgroundColor = color;
  return mark;
}

/** A select of [value, words] pairs. */
export function choice(words, options, value, onchange) {
  const select = element(
    "select",
    { "aria-label": words, title: words, onchange: (event) => onchange(event.target.value) },
    options.map(([key, text]) => element("option", { value: key }, text)),
  );
  select.value = value;
  return select;
}

/** A part of the panel that folds; `body` is what modules fill. */
export function section(title, open = true, id = null) {
  const body = element("div", { class: "body" });
  const node = element(
    "details",
    { class: "section", open, "data-section": id },
    element("summary", {}, title),
    body,
  );
  return { node, body };
}

export function slider(words, value, oninput, attributes = {}) {
  const input = element("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    "aria-label": words,
    title: words,
    ...attributes,
    oninput: (event) => oninput(Number(event.target.value)),
  });
  input.value = value;
  return input;
}
