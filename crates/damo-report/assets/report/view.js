// === The view: what is shown, kept in the fragment of the page's address ============================================

/**
 * One window of time for everything, and one of addresses per panel (`y`, by "target.panel"; absent is all of it).
 * `a` and `b` are the markers.
 */
const view = { t: [0, D.duration], target: 0, y: {}, a: null, b: null, theme: null, schemes: true };
/** Where the pointer is: `{t, map, offset}`, the last two on maps only. */
let pointer = null;

const target = () => D.targets[view.target];
const span = () => view.t[1] - view.t[0];
/** The window of addresses of a map, as offsets in its panel. */
const rows = map => view.y[map.key] || [0, map.panel.size];

/** Takes the view from the page's address. Whatever is there: what makes no sense is left out. */
function load() {
  const given = new URLSearchParams(location.hash.slice(1));
  const pair = (key, most) => {
    const parts = (given.get(key) || "").split("~").map(Number);
    if (parts.length !== 2 || !parts.every(Number.isFinite)) return null;
    const [from, to] = parts.map(part => clamp(part, 0, most));
    return from < to ? [from, to] : null;
  };
  const moment = key => {
    const at = Number(given.get(key));
    return given.has(key) && Number.isFinite(at) ? clamp(at, 0, D.duration) : null;
  };
  view.t = pair("t", D.duration) || [0, D.duration];
  view.target = clamp(Math.floor(Number(given.get("target"))) || 0, 0, D.targets.length - 1);
  view.y = {};
  D.targets.forEach((target, t) => target.panels.forEach((panel, p) => {
    const window = pair(`y${t}.${p}`, panel.size);
    if (window) view.y[`${t}.${p}`] = window;
  }));
  view.a = moment("a");
  view.b = moment("b");
  view.theme = ["light", "dark"].includes(given.get("theme")) ? given.get("theme") : null;
  view.schemes = given.get("schemes") !== "0";
}

let saving = 0;
/** Puts the view into the page's address, once it rests. */
function save() {
  clearTimeout(saving);
  saving = setTimeout(() => {
    const kept = new URLSearchParams();
    const pair = window => window.map(Math.round).join("~");
    if (view.t[0] > 0 || view.t[1] < D.duration) kept.set("t", pair(view.t));
    if (view.target) kept.set("target", view.target);
    for (const [key, window] of Object.entries(view.y)) kept.set("y" + key, pair(window));
    for (const key of ["a", "b"]) if (view[key] !== null) kept.set(key, Math.round(view[key]));
    if (view.theme) kept.set("theme", view.theme);
    if (!view.schemes) kept.set("schemes", "0");
    history.replaceState(null, "", "#" + kept);
  }, 150);
}

// --- moving and zooming ---------------------------------------------------------------------------------------------

/** A window of the same or another length, pushed back into `[0, most]`. */
function within(from, length, most) {
  const start = clamp(from, 0, most - length);
  return [start, start + length];
}
/** The shortest window: some cells as they are stored. Below there is nothing to be seen. */
const shortest = () => Math.min(D.duration, 8 * D.duration / target().panels[0].cols);
const smallest = panel => Math.min(panel.size, 4 * panel.size / panel.rows);

/** The centre of zooming without a pointer that points: the crosshair if it is in view, else the middle. */
function centre() {
  const seen = pointer && pointer.t >= view.t[0] && pointer.t <= view.t[1];
  return seen ? pointer.t : (view.t[0] + view.t[1]) / 2;
}
function zoomTime(factor, at = centre()) {
  const length = clamp(span() * factor, shortest(), D.duration);
  view.t = within(at - (at - view.t[0]) / span() * length, length, D.duration);
  draw();
}
function moveTime(by) {
  view.t = within(view.t[0] + by, span(), D.duration);
  draw();
}
function zoomSpace(map, factor, at) {
  const [low, high] = rows(map), length = clamp((high - low) * factor, smallest(map.panel), map.panel.size);
  const middle = at === undefined ? (low + high) / 2 : at;
  showSpace(map, within(middle - (middle - low) / (high - low) * length, length, map.panel.size));
}
function moveSpace(map, by) {
  const [low, high] = rows(map);
  showSpace(map, within(low + by, high - low, map.panel.size));
}
function showSpace(map, [low, high]) {
  if (high - low >= map.panel.size * .999999) delete view.y[map.key];
  else view.y[map.key] = [low, high];
  draw();
}
function showAll() {
  view.t = [0, D.duration];
  view.y = {};
  draw();
}

