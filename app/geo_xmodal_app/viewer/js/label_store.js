// What is drawn, as the server has it: one change after the other, each saved before the next; undo and redo.

const MAX_STEPS = 50;
const SILENT = "the server does not answer, and nothing was saved: try again";

/**
 * `changed` is called when there is something new to show, `saved` with the revision that the server has,
 * `failed` with a line that says why it has not ("" when all is well).
 */
export function createStore(address, { changed, saved, failed }) {
  let state = null; // { revision, classes, polygons, pixels }
  let queue = Promise.resolve();
  let waiting = 0;
  const past = [];
  const future = [];

  async function ask(method, body) {
    let answer;
    try {
      answer = await fetch(address, { method, body: body && JSON.stringify(body) });
    } catch {
      throw new Error(SILENT);
    }
    const found = await answer.json();
    if (found.classes) state = found;
    if (answer.status === 409) past.length = future.length = 0; // steps of a state that is no more
    if (!answer.ok) throw new Error(found.problem);
  }

  /** Do it when all before it is done; what fails is said, and the next is done all the same. */
  function then(step) {
    waiting += 1;
    changed();
    queue = queue
      .then(step)
      .then(() => failed(""))
      .catch((error) => failed(error.message))
      .finally(() => {
        waiting -= 1;
        changed();
      });
    return queue;
  }

  async function put(wanted) {
    await ask("PUT", { revision: state.revision, ...wanted });
    saved(state.revision);
  }

  const kept = ({ classes, polygons }) => ({ classes, polygons });

  /** `next` makes of what is there what shall be: other classes or polygons, `added` or `new_class`. */
  function change(next) {
    return then(async () => {
      const before = kept(state);
      await put({ ...before, ...next(before) });
      past.push(before);
      if (past.length > MAX_STEPS) past.shift();
      future.length = 0;
    });
  }

  function step(from, to) {
    return then(async () => {
      if (!from.length) return;
      const before = kept(state);
      await put(from.at(-1));
      from.pop();
      to.push(before);
    });
  }

  return {
    load: () => then(() => ask("GET")),
    change,
    undo: () => step(past, future),
    redo: () => step(future, past),
    get: () => state,
    saving: () => waiting > 0,
    undone: () => past.length > 0,
    redone: () => future.length > 0,
  };
}
