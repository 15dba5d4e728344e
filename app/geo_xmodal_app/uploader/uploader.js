// Sends a file to /upload slice by slice. What the browser calls the file is only text, here and there.
const fields = new WeakMap();
const PAUSES = [1, 2, 4, 8, 15, 30, 30, 30]; // seconds between tries while the server does not answer
const UNITS = ["bytes", "kB", "MB", "GB"];

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const field = fields.get(parentElement) ?? build(parentElement);
  field.report = (id) => setStateValue("uploads", [...field.done, id].filter((one, at, all) => all.indexOf(one) === at));
  field.purpose = data.purpose;
  field.label.textContent = data.label;
  field.help.textContent = data.help;
  field.input.accept = data.accept;
}

function build(root) {
  const find = (name) => root.querySelector(name);
  const field = {
    label: find(".label"), help: find(".help"), input: find("input"), drop: find(".drop"),
    work: find(".work"), bar: find("progress"), stop: find(".stop"), status: find(".status"),
    cut: null, waiting: [], done: [],
  };
  fields.set(root, field);
  field.input.addEventListener("change", () => {
    take(field, [...field.input.files]);
    field.input.value = ""; // picking the same file again is to be noticed
  });
  field.stop.addEventListener("click", () => field.cut?.abort("cancelled"));
  for (const name of ["dragover", "dragleave", "drop"]) {
    field.drop.addEventListener(name, (event) => {
      event.preventDefault();
      field.drop.classList.toggle("over", name === "dragover");
    });
  }
  field.drop.addEventListener("drop", (event) => take(field, [...event.dataTransfer.files]));
  return field;
}

/** Files go up one after the other; what is picked while one is under way waits for its turn. */
async function take(field, files) {
  field.waiting.push(...files);
  if (field.cut) return; // whoever is at work takes them
  const wrong = [];
  while (field.waiting.length) {
    const problem = await takeOne(field, field.waiting.shift());
    if (problem) wrong.push(problem);
  }
  field.cut = null;
  field.work.hidden = true;
  if (wrong.length > 1) say(field, wrong.join("; "), true);
}

/** What went wrong with a file, or null. */
async function takeOne(field, file) {
  const cut = new AbortController();
  field.cut = cut;
  field.work.hidden = false;
  try {
    const done = await send(field, file, cut.signal);
    forget(field, file);
    say(field, `${file.name}: ${inUnits(file.size)}, complete`);
    field.report(done.id);
    field.done.push(done.id);
    return null;
  } catch (error) {
    if (cut.signal.aborted) {
      await remove(field, file);
      say(field, `${file.name}: cancelled`);
      return null;
    }
    say(field, error.message, true);
    return error.message;
  }
}

async function send(field, file, signal) {
  let state = (await known(field, file, signal)) ?? (await begin(field, file, signal));
  const began = { time: performance.now(), received: state.received };
  while (!state.done) {
    show(field, file, state.received, began);
    const offset = state.received;
    const slice = file.slice(offset, offset + state.slice);
    state = await insist(field, signal, async () => {
      const answer = await ask("PATCH", `/upload/${state.id}`, signal, slice, { "Upload-Offset": String(offset) });
      // part of a slice may have come before a cut: go on after it
      return answer.status === 409 ? await read(await ask("GET", `/upload/${state.id}`, signal)) : await read(answer);
    });
  }
  return state;
}

async function begin(field, file, signal) {
  const announcement = JSON.stringify({ name: file.name, size: file.size, purpose: field.purpose });
  const state = await insist(field, signal, async () => read(await ask("POST", "/upload", signal, announcement)));
  remember(field, file, state.id);
  return state;
}

async function known(field, file, signal) {
  const id = recall(field, file);
  if (!id) return null;
  const answer = await insist(field, signal, () => ask("GET", `/upload/${id}`, signal));
  return answer.ok ? answer.json() : null;
}

// What the server refuses is an Error; a server that cannot be reached is a TypeError, and is tried again.
async function insist(field, signal, attempt) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || !(error instanceof TypeError) || tries >= PAUSES.length) throw worded(error);
      say(field, `the server does not answer: trying again in ${PAUSES[tries]} s`);
      await new Promise((resolve) => {
        setTimeout(resolve, 1000 * PAUSES[tries]);
        signal.addEventListener("abort", resolve, { once: true });
      });
    }
  }
}

function worded(error) {
  if (!(error instanceof TypeError)) return error;
  return new Error("the server does not answer: pick the file again later, and it goes on where it stopped");
}

function ask(method, address, signal, body, headers = {}) {
  return fetch(address, { method, body, headers, signal, credentials: "same-origin", cache: "no-store" });
}

async function read(answer) {
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `the server answers ${answer.status}`);
  return content;
}

function show(field, file, received, began) {
  field.bar.value = received / file.size;
  const seconds = (performance.now() - began.time) / 1000;
  const pace = (received - began.received) / seconds;
  const more = field.waiting.length ? `, ${field.waiting.length} more waiting` : "";
  const left = pace > 0 ? `, about ${Math.ceil((file.size - received) / pace)} s left` : "";
  say(field, `${file.name}: ${inUnits(received)} of ${inUnits(file.size)}${left}${more}`);
}

function say(field, text, wrong = false) {
  field.status.textContent = text;
  field.status.classList.toggle("wrong", wrong);
}

function inUnits(bytes) {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  return `${unit ? value.toFixed(1) : value} ${UNITS[unit]}`;
}

async function remove(field, file) {
  const id = recall(field, file);
  forget(field, file);
  if (id) await ask("DELETE", `/upload/${id}`).catch(() => null);
}

// Which upload a file belongs to outlives a reload of the page, in this browser alone.
const name = (field, file) => ["gx_upload", field.purpose, file.name, file.size, file.lastModified].join("/");
const remember = (field, file, id) => localStorage.setItem(name(field, file), id);
const recall = (field, file) => localStorage.getItem(name(field, file));
const forget = (field, file) => localStorage.removeItem(name(field, file));
