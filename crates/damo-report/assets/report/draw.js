// === Drawing: what maps and tracks share =============================================================================

/** Maps and tracks on the page: `{canvas, panel, key}` and `{canvas, track, hidden}`. */
const maps = [], tracks = [];
/** Room below a plot for the strip of phases, and for it and the axis. */
const STRIP = D.phases.length ? 14 : 0, AXIS = 18 + STRIP, FONT = "11px system-ui, 'DejaVu Sans', sans-serif";
let styles = null;
const css = name => styles.getPropertyValue(name).trim();

/** Room beside the plots: numbers at the left; names of mappings at the right, where the page is wide enough. */
const left = width => width < 560 ? 62 : 82;
const right = width => width < 760 || !target().panels.some(panel => panel.mappings.length) ? 0 : 124;

/** Sizes a canvas for the screen's pixels and empties it: a drawing context and the plot's box. */
function begin(canvas, tall) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.style.height = tall + "px";
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(tall * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, tall);
  g.font = FONT;
  return [g, boxOf(canvas, tall)];
}
/** The plot within a canvas. */
function boxOf(canvas, tall = canvas.clientHeight) {
  const width = canvas.clientWidth, x = left(width);
  return { x, right: width - right(width), width: width - right(width) - x, height: tall - AXIS, all: width };
}
const toX = (t, box) => box.x + (t - view.t[0]) / span() * box.width;
const toT = (x, box) => clamp(view.t[0] + (x - box.x) / box.width * span(), 0, D.duration);

function clipped(g, box, paint) {
  g.save();
  g.beginPath();
  g.rect(box.x, 0, box.width, box.height);
  g.clip();
  paint();
  g.restore();
}
function strokeLine(g, x0, y0, x1, y1, stroke, dash = []) {
  g.strokeStyle = stroke;
  g.setLineDash(dash);
  g.beginPath();
  g.moveTo(x0, y0);
  g.lineTo(x1, y1);
  g.stroke();
  g.setLineDash([]);
}
/** Text on a ground of its own, so that it can be read over anything. */
function label(g, text, x, y, ink, ground = css("--bg"), opacity = .85) {
  const width = g.measureText(text).width;
  g.globalAlpha = opacity;
  g.fillStyle = ground;
  g.fillRect(x, y, width + 6, 15);
  g.globalAlpha = 1;
  g.fillStyle = ink;
  g.textAlign = "left";
  g.textBaseline = "middle";
  g.fillText(text, x + 3, y + 8);
}
/** As much of a text as fits. */
function fitted(g, text, room) {
  if (g.measureText(text).width <= room) return text;
  let length = text.length;
  while (length > 1 && g.measureText(text.slice(0, length) + "…").width > room) length--;
  return text.slice(0, length) + "…";
}

// --- axes -------------------------------------------------------------------------------------------------------------

const MINUTE = 6e10, HOUR = 60 * MINUTE;
/** Round distances between ticks: decimal up to seconds, then minutes and hours. */
function roundTime(least) {
  for (let unit = 1; unit <= 1e9; unit *= 10) {
    const step = [1, 2, 5].map(m => m * unit).find(step => step >= least);
    if (step && step <= 2e9) return step;
  }
  const steps = [5e9, 1e10, 1.5e10, 3e10, ...[1, 2, 5, 10, 15, 30].map(m => m * MINUTE)];
  const hours = [1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 2400].map(h => h * HOUR);
  return [...steps, ...hours].find(step => step >= least) || least;
}
function ticks(low, high, step) {
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}
function timeAxis(g, box) {
  g.fillStyle = css("--soft");
  g.textAlign = "center";
  g.textBaseline = "bottom";
  const step = roundTime(span() / Math.max(2, box.width / 110));
  for (const t of ticks(view.t[0], view.t[1], step)) {
    const x = toX(t, box), half = g.measureText(time(t, 9)).width / 2;
    strokeLine(g, x, box.height + STRIP, x, box.height + STRIP + 4, css("--soft"));
    if (x - half >= box.x - 20 && x + half <= box.all) g.fillText(time(t, 9), x, box.height + AXIS);
  }
}
/** In powers of two, as people count bytes. */
function byteStep(low, high, most) {
  let step = 1;
  while ((high - low) / step > most) step *= 2;
  return step;
}

// --- over every plot: marks, markers, the crosshair --------------------------------------------------------------------

/** Marks nearer to one another than this, in pixels, are not drawn: they would hide what they mark. */
const CROWDED = 20;
const marksInView = () => D.marks.filter(mark => mark.t >= view.t[0] && mark.t <= view.t[1]);
const crowded = (marks, box) => marks.length > 1 && box.width / marks.length < CROWDED;
/** A strip below a plot, with the phases' letters where there is room for them. */
function drawPhases(g, box) {
  const tall = STRIP - 2, top = box.height + 1;
  for (const phase of D.phases) {
    const [from, to] = phase.t.map(t => clamp(toX(t, box), box.x, box.right));
    if (to - from < .5) continue;
    g.fillStyle = css(seriesInk(phase.kind));
    g.fillRect(from, top, to - from, tall);
    strokeLine(g, from, top, from, top + tall, css("--bg"));
    if (g.measureText(phase.label).width + 2 > to - from) continue;
    g.fillStyle = css("--bg");
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.fillText(phase.label, (from + to) / 2, top + tall / 2 + .5);
  }
}
/** `first` for the first map, which has the marks' names; `map` for any map: the colours of heat are not to be shaded. */
function overlays(g, box, { first, map }) {
  drawPhases(g, box);
  const marks = marksInView();
  let free = box.x;
  for (const mark of crowded(marks, box) ? [] : marks) {
    const x = toX(mark.t, box);
    // Two inks in turn: one of them is seen on any ground.
    g.lineDashOffset = 3;
    if (map) strokeLine(g, x, 0, x, box.height, "#cdbcff", [3, 3]);
    g.lineDashOffset = 0;
    strokeLine(g, x, 0, x, box.height, map ? "#4b1fa6" : css("--mark"), [3, 3]);
    // Names that stand too close are left out rather than cover each other.
    if (first && x >= free) {
      const text = fitted(g, mark.text, 160), width = g.measureText(text).width + 8;
      if (x + width <= box.right) {
        label(g, text, x + 1, 0, css("--mark"));
        free = x + width + 6;
      }
    }
  }
  if (!map && view.a !== null && view.b !== null) {
    g.fillStyle = css("--between");
    const [from, to] = [view.a, view.b].map(t => clamp(toX(t, box), box.x, box.right)).sort((p, q) => p - q);
    g.fillRect(from, 0, to - from, box.height);
  }
  for (const [name, t] of [["A", view.a], ["B", view.b]]) {
    if (t === null || t < view.t[0] || t > view.t[1]) continue;
    const ink = css(name === "A" ? "--a" : "--b"), x = toX(t, box);
    g.lineWidth = 1.5;
    strokeLine(g, x, 0, x, box.height, css("--bg"));
    strokeLine(g, x, 0, x, box.height, ink, [5, 2]);
    g.lineWidth = 1;
    label(g, name, Math.min(x, box.right - 14), box.height - 16, css("--bg"), ink, 1);
  }
  if (pointer && pointer.t >= view.t[0] && pointer.t <= view.t[1]) {
    const x = toX(pointer.t, box);
    strokeLine(g, x, 0, x, box.height, "#000", [1, 3]);
    strokeLine(g, x + 1, 0, x + 1, box.height, "#fff", [1, 3]);
  }
}

// --- maps ---------------------------------------------------------------------------------------------------------------

/** Heights by the square root of the size: a small stack is seen beside a large heap, and does not take its place. */
function heightOf(panel) {
  const panels = target().panels, all = panels.reduce((sum, panel) => sum + Math.sqrt(panel.size), 0);
  const room = panels.length === 1 ? 480 : 430;
  return AXIS + 56 + Math.round(room * Math.sqrt(panel.size) / all);
}
const toY = (offset, map, box) => {
  const [low, high] = rows(map);
  return box.height - (offset - low) / (high - low) * box.height;
};

function drawMap(map, first) {
  const { panel } = map, [g, box] = begin(map.canvas, heightOf(panel));
  const [low, high] = rows(map), y = offset => toY(offset, map, box);
  g.fillStyle = css("--void");
  g.fillRect(box.x, 0, box.width, box.height);
  const level = levelFor(panel, span() / box.width / (devicePixelRatio || 1));
  clipped(g, box, () => {
    g.imageSmoothingEnabled = false;
    drawTiles(g, box, panel, level, y, number => heatTile(level, number));
    if (view.schemes) panel.applied.forEach((_, scheme) => drawScheme(g, box, panel, level, y, scheme));
    hatch(g, box);
  });
  map.canvas.classList.toggle("free", high - low < panel.size);
  map.column = D.duration / panel.cols * level.step;
  spaceAxis(g, box, low, high, y);
  mappingNames(g, box, panel, low, high, y);
  timeAxis(g, box);
  overlays(g, box, { first, map: true });
  if (pointer && pointer.map === map) {
    const at = y(pointer.offset);
    strokeLine(g, box.x, at, box.right, at, "#000", [1, 3]);
    strokeLine(g, box.x, at + 1, box.right, at + 1, "#fff", [1, 3]);
  }
}
function drawTiles(g, box, panel, level, y, make) {
  const column = D.duration / panel.cols * level.step, wide = column * TILE;
  for (let number = Math.floor(view.t[0] / wide); number * wide < view.t[1] && number * TILE < level.cols; number++) {
    const image = make(number), from = toX(number * wide, box), to = toX(number * wide + image.width * column, box);
    g.drawImage(image, from, y(panel.size), to - from, y(0) - y(panel.size));
  }
}
/** What a scheme was applied to, as stripes: the heat is still seen between them. */
function drawScheme(g, box, panel, level, y, scheme) {
  const layer = document.createElement("canvas"), h = layer.getContext("2d");
  const matrix = g.getTransform();
  layer.width = g.canvas.width;
  layer.height = g.canvas.height;
  h.setTransform(matrix);
  h.imageSmoothingEnabled = false;
  drawTiles(h, box, panel, level, y, number => schemeTile(level, scheme, number));
  h.globalCompositeOperation = "destination-in";
  h.lineWidth = 1.5;
  h.beginPath();
  for (let x = -box.height + scheme * 4; x < box.all; x += 10) {
    h.moveTo(x, 0);
    h.lineTo(x + box.height, box.height);
  }
  h.stroke();
  g.setTransform(1, 0, 0, 1, 0, 0);
  g.drawImage(layer, 0, 0);
  g.setTransform(matrix);
}
/** Over times of which only incomplete snapshots exist. */
function hatch(g, box) {
  for (const [from, to] of target().partial) {
    const x0 = Math.max(box.x, toX(from, box)), x1 = Math.min(box.right, Math.max(toX(to, box), toX(from, box) + 1));
    if (x1 <= x0) continue;
    g.save();
    g.beginPath();
    g.rect(x0, 0, x1 - x0, box.height);
    g.clip();
    g.strokeStyle = css("--hatch");
    g.beginPath();
    const start = Math.floor((x0 - box.height) / 6) * 6;
    for (let x = start; x < x1; x += 6) {
      g.moveTo(x, box.height);
      g.lineTo(x + box.height, 0);
    }
    g.stroke();
    g.restore();
  }
}
function spaceAxis(g, box, low, high, y) {
  g.fillStyle = css("--soft");
  g.textAlign = "right";
  g.textBaseline = "middle";
  const step = byteStep(low, high, Math.max(1, box.height / 34));
  for (const offset of ticks(low, high, step)) {
    strokeLine(g, box.x - 4, y(offset), box.x, y(offset), css("--soft"));
    g.fillText("+" + size(offset), box.x - 7, clamp(y(offset), 6, box.height - 6));
  }
}
/** Names of mappings: beside the map where there is room, else in it; the larger ones first, none over another. */
function mappingNames(g, box, panel, low, high, y) {
  const seen = panel.mappings.filter(m => m.name && m.end > low && m.start < high);
  const beside = box.all > box.right, taken = [];
  for (const m of seen.sort((p, q) => q.end - q.start - (p.end - p.start))) {
    const top = Math.max(0, y(m.end)), bottom = Math.min(box.height, y(m.start));
    if (seen.length > 1) {
      for (const edge of [top, bottom]) {
        if (edge <= 1 || edge >= box.height - 1) continue;
        if (bottom - top > 8) strokeLine(g, box.x, edge + .5, box.right, edge + .5, "rgba(150,160,175,.4)");
        if (beside) strokeLine(g, box.right, edge + .5, box.right + 5, edge + .5, css("--soft"));
      }
    }
    const at = clamp((top + bottom) / 2, 7, box.height - 7);
    if (!beside && bottom - top < 15 || taken.some(other => Math.abs(other - at) < 14)) continue;
    taken.push(at);
    const text = fitted(g, m.name, beside ? box.all - box.right - 10 : box.width / 3);
    if (!beside) {
      label(g, text, box.right - g.measureText(text).width - 8, at - 8, css("--fg"), css("--bg"), .7);
      continue;
    }
    g.fillStyle = css("--fg");
    g.textAlign = "left";
    g.textBaseline = "middle";
    g.fillText(text, box.right + 8, at);
  }
}

// --- all of it ----------------------------------------------------------------------------------------------------------

let queued = false;
/** Draws with the next frame, once for however many changes. */
function draw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    drawNow();
    save();
    restSoon();
  });
}
function drawNow() {
  styles = getComputedStyle(document.documentElement);
  maps.forEach((map, i) => drawMap(map, i === 0));
  tracks.forEach(drawTrack);
  const stored = maps.length ? D.duration / maps[0].panel.cols : 0, column = maps.length ? maps[0].column : 0;
  const cell = maps.length ? `; a column is ${time(column, 1)}${column > stored ? "" : ", as stored"}` : "";
  $("window").textContent = `${time(view.t[0])} – ${time(view.t[1])} (${time(span())})${cell}`;
  showMarksKey();
  readout();
  delta();
}
function showMarksKey() {
  const marks = marksInView(), hidden = maps.length && crowded(marks, boxOf(maps[0].canvas));
  $("key-marks").hidden = !marks.length;
  $("key-marks-text").textContent = hidden ? `${count(marks.length)} marks in view: zoom in to see them` : "marks";
}

