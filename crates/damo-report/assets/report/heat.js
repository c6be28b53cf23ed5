// === Heat: stored cells, coarser levels made of them, drawn as tiles ================================================
//
// A stored cell has the mean heat of its covered part and the share of it that is covered. A level halves the columns
// of the level before; it keeps heat × cover and cover as sums, so that the mean of a cell at any level is the exact
// mean of the stored cells in it. Drawn is the first level whose columns are no narrower than a pixel: no cell is
// skipped. Zoomed in beyond the stored cells, these are drawn as the blocks they are.

const FULL = 65535, TILE = 256;

async function unpack(base64, cells) {
  if (!base64) return new Uint16Array(cells);
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = new DataView(await new Response(stream).arrayBuffer());
  return Uint16Array.from({ length: cells }, (_, i) => data.getUint16(2 * i, true));
}

/** A level: per cell, column after column, the sums of heat × cover, of cover, and of what each scheme was applied to. */
function level(step, cols, rows, sums) {
  return { step, cols, rows, ...sums, tiles: new Map() };
}
async function prepare(panel) {
  if (panel.levels) return;
  const { cols, rows } = panel, cells = cols * rows;
  const heat = await unpack(panel.cells, cells), covered = await unpack(panel.cover, cells);
  const cover = Float32Array.from(covered, value => value / FULL);
  const sum = Float32Array.from(heat, (value, i) => value / FULL * panel.peak * cover[i]);
  const applied = [];
  for (const packed of panel.applied) {
    applied.push(Float32Array.from(await unpack(packed, cells), value => value / FULL));
  }
  panel.heat = heat;
  panel.levels = [level(1, cols, rows, { sum, cover, applied })];
  while (panel.levels.at(-1).cols > 32) panel.levels.push(coarser(panel.levels.at(-1)));
}
function coarser(fine) {
  const cols = Math.ceil(fine.cols / 2), { rows } = fine;
  const halve = from => {
    const to = new Float32Array(cols * rows);
    for (let c = 0; c < fine.cols; c++) {
      for (let r = 0; r < rows; r++) to[(c >> 1) * rows + r] += from[c * rows + r];
    }
    return to;
  };
  return level(fine.step * 2, cols, rows, {
    sum: halve(fine.sum), cover: halve(fine.cover), applied: fine.applied.map(halve),
  });
}
/** The level for columns of at least a pixel, where a pixel is `ns` long. */
function levelFor(panel, ns) {
  const column = D.duration / panel.cols;
  const at = Math.ceil(Math.log2(Math.max(1, ns / column)) - 1e-9);
  return panel.levels[clamp(at, 0, panel.levels.length - 1)];
}

/** Exact mean heat over a span of stored columns and rows; null where nothing was monitored. */
function mean(panel, [fromColumn, toColumn], [fromRow, toRow]) {
  const stored = panel.levels[0];
  let sum = 0, cover = 0, peak = 0;
  for (let c = fromColumn; c < toColumn; c++) {
    for (let r = fromRow; r < toRow; r++) {
      const i = c * stored.rows + r;
      sum += stored.sum[i];
      cover += stored.cover[i];
      if (stored.cover[i]) peak = Math.max(peak, panel.heat[i] / FULL * panel.peak);
    }
  }
  return cover ? { mean: sum / cover, peak } : null;
}

// --- colours ----------------------------------------------------------------------------------------------------------

const rgb = css => [1, 3, 5].map(at => parseInt(css.slice(at, at + 2), 16));
const COLOURS = { light: D.colours.light.map(rgb), dark: D.colours.dark.map(rgb) }, SCHEME_COLOURS = D.scheme_colours.map(rgb);
/** On a light page hot is dark, on a dark one it is bright: as in pictures of the theme. */
const theme = () => document.documentElement.dataset.theme === "dark" ? "dark" : "light";
function colour(share) {
  const colours = COLOURS[theme()];
  return colours[clamp(Math.round(share * (colours.length - 1)), 0, colours.length - 1)];
}
const schemeColour = scheme => SCHEME_COLOURS[scheme % SCHEME_COLOURS.length];

// --- tiles ------------------------------------------------------------------------------------------------------------

/** TILE columns of a level and all its rows, low addresses at the bottom; `paint` gives a cell's colour or null. */
function tile(level, kind, number, paint) {
  const name = `${kind}:${number}`;
  let canvas = level.tiles.get(name);
  if (canvas) return canvas;
  const width = Math.min(TILE, level.cols - number * TILE), image = new ImageData(width, level.rows);
  for (let c = 0; c < width; c++) {
    for (let r = 0; r < level.rows; r++) {
      const painted = paint((number * TILE + c) * level.rows + r);
      if (painted) image.data.set(painted, ((level.rows - 1 - r) * width + c) * 4);
    }
  }
  canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = level.rows;
  canvas.getContext("2d").putImageData(image, 0, 0);
  level.tiles.set(name, canvas);
  return canvas;
}
const heatTile = (level, number) => tile(level, `heat ${theme()}`, number, i =>
  level.cover[i] ? [...colour(level.sum[i] / level.cover[i] / D.top), 255] : null);
/** The more of a cell a scheme was applied to, the denser; a little is seen, too. */
const schemeTile = (level, scheme, number) => tile(level, `scheme ${scheme}`, number, i => {
  const part = level.applied[scheme][i];
  return part ? [...schemeColour(scheme), Math.round(110 + 110 * clamp(part / level.step, 0, 1))] : null;
});

/** The stored cell at a time and offset, as columns and rows. */
function cellAt(panel, t, offset) {
  const column = clamp(Math.floor(t / D.duration * panel.cols), 0, panel.cols - 1);
  const row = clamp(Math.floor(offset / panel.size * panel.rows), 0, panel.rows - 1);
  return { column, row };
}
/** What is known of a stored cell: its bounds as they are, and its numbers. */
function cell(panel, t, offset) {
  const { column, row } = cellAt(panel, t, offset), i = column * panel.rows + row, stored = panel.levels[0];
  return {
    heat: stored.cover[i] ? panel.heat[i] / FULL * panel.peak : null,
    cover: stored.cover[i],
    applied: stored.applied.map(values => values[i]),
    t: [column, column + 1].map(c => Math.floor(D.duration * c / panel.cols)),
    offset: [row, row + 1].map(r => Math.floor(panel.size * r / panel.rows)),
  };
}

