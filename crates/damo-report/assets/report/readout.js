// === Numbers: at the pointer, between the markers, of what is in view ================================================

const INVITE = "Point at a map or track for exact numbers; drag to move, Ctrl and the wheel or pinch to zoom, A and B set markers.";
const mappingAt = (panel, offset) => panel.mappings.find(m => m.start <= offset && offset < m.end && m.name);

/** Name and value of everything at the pointer. */
function atPointer() {
  const found = [["time", time(pointer.t)]];
  const phase = D.phases.findIndex(({ t: [from, to] }) => from <= pointer.t && pointer.t < to);
  if (phase >= 0) {
    const { label, t: [from, to], functions } = D.phases[phase];
    found.push(["phase", `${label}, number ${phase + 1}, ${time(from)} – ${time(to)}`]);
    if (functions) found.push(["CPU time of the phase", functions]);
  }
  if (pointer.map) {
    const { panel } = pointer.map, here = cell(panel, pointer.t, pointer.offset), mapping = mappingAt(panel, pointer.offset);
    found.push(["address", address(panel, pointer.offset)]);
    if (mapping) found.push(["mapping", mapping.name]);
    found.push(["accessed", heatText(here.heat)]);
    found.push(["mean over", `${time(here.t[0])} – ${time(here.t[1])}, ${size(here.offset[1] - here.offset[0])} from `
      + address(panel, here.offset[0])]);
    if (here.cover > 0 && here.cover < .9999) found.push(["monitored part of it", share(here.cover)]);
    here.applied.forEach((part, i) => part && found.push([target().schemes[i] + " applied to", share(part) + " of it"]));
    if (target().partial.some(([from, to]) => from <= pointer.t && pointer.t < to)) {
      found.push(["note", "incomplete snapshots only, left out"]);
    }
  }
  for (const { track } of tracks) {
    for (const series of track.series) {
      const value = valueAt(series, pointer.t);
      const of = series.each > 1 ? `, mean of ${series.each}` : "";
      if (value !== null) found.push([series.name, FORMAT[track.unit].exact(value) + of]);
    }
  }
  return found;
}
function readout() {
  const box = $("readout");
  if (!pointer) {
    box.replaceChildren(element("span", INVITE, "soft"));
    return;
  }
  box.replaceChildren(...atPointer().map(([name, value]) => {
    const item = element("span");
    item.append(element("b", name), value);
    return item;
  }));
}
/** For those who hear the page: what the crosshair shows after a key moved it. */
function speak() {
  $("spoken").textContent = atPointer().map(([name, value]) => `${name} ${value}`).join("; ");
}

// --- tables -----------------------------------------------------------------------------------------------------------

/** A cell that is sorted by something else than its text. */
const sortable = (text, by) => ({ text, by });
const textOf = value => value?.text ?? value;
/** Tables that can be sorted, by their elements' names: by which column, and whether the largest comes first. */
const order = { areas: { column: 3, down: true }, values: { column: null, down: false } };

/** What is not known comes last, whichever way. */
function sorted(body, { column, down }) {
  if (column === null) return body;
  const key = row => {
    const by = row[column]?.by !== undefined ? row[column].by : textOf(row[column]) ?? null;
    return Number.isNaN(by) ? null : by;
  };
  const compare = (p, q) => typeof p === "string" ? p.localeCompare(q) : p - q;
  return body.toSorted((p, q) => {
    const [a, b] = [key(p), key(q)];
    if (a === null || b === null) return (a === null) - (b === null);
    return down ? compare(b, a) : compare(a, b);
  });
}
/** The head of a column that sorts the table. */
function sorter(table, column, text) {
  const by = order[table.id], head = element("th"), button = element("button", text || "name", "sort");
  if (by.column === column) head.setAttribute("aria-sort", by.down ? "descending" : "ascending");
  button.addEventListener("click", () => {
    // The largest first, but names and addresses from the first on.
    by.down = by.column === column ? !by.down : column > 1 || table.id === "values" && column > 0;
    by.column = column;
    inView();
    table.querySelectorAll("button.sort")[column].focus();
  });
  head.append(button);
  return head;
}
function fill(table, caption, head, body) {
  const header = element("thead"), line = element("tr"), rows = element("tbody"), by = order[table.id];
  head.forEach((text, column) => {
    const title = by ? sorter(table, column, text) : element("th", text);
    title.scope = "col";
    line.append(title);
  });
  header.append(line);
  for (const [name, ...values] of by ? sorted(body, by).slice(0, LONGEST) : body) {
    const row = element("tr"), title = element("th", textOf(name));
    title.scope = "row";
    row.append(title, ...values.map(value => element("td", textOf(value))));
    rows.append(row);
  }
  if (by && body.length > LONGEST) {
    const row = element("tr"), rest = element("th", `${body.length - LONGEST} more`, "soft");
    row.append(rest);
    rows.append(row);
  }
  table.replaceChildren(...(caption ? [element("caption", caption)] : []), header, rows);
}
/** Rows of a sorted table that are shown. */
const LONGEST = 60;
const average = values => values.reduce((sum, value) => sum + value, 0) / values.length;
const or = (value, format) => value === null || value === undefined || Number.isNaN(value) ? "–" : format(value);
const signed = format => value => (value > 0 ? "+" : "") + format(value);

/** What changed from A to B, and the means between. */
function delta() {
  const ready = view.a !== null && view.b !== null;
  $("delta").hidden = !ready;
  if (!ready) return;
  const body = [["time", time(view.a), time(view.b), signed(time)(view.b - view.a), "–"]];
  const between = [Math.min(view.a, view.b), Math.max(view.a, view.b)];
  for (const { track } of tracks) {
    const { short } = FORMAT[track.unit];
    for (const series of track.series) {
      const [a, b] = [valueAt(series, view.a), valueAt(series, view.b)], values = valuesIn(series, between);
      const difference = a === null || b === null ? null : b - a;
      body.push([series.name, or(a, short), or(b, short), or(difference, signed(short)), or(average(values), short)]);
    }
  }
  for (const { panel } of maps) {
    const at = t => {
      const { column } = cellAt(panel, t, 0);
      return mean(panel, [column, column + 1], [0, panel.rows])?.mean ?? null;
    };
    const [a, b] = [at(view.a), at(view.b)], difference = a === null || b === null ? null : b - a;
    const [from, to] = between.map(t => cellAt(panel, t, 0).column);
    const all = mean(panel, [from, to + 1], [0, panel.rows])?.mean;
    body.push([`mean access rate, ${panel.name}`, or(a, rate), or(b, rate), or(difference, signed(rate)), or(all, rate)]);
  }
  fill($("delta-table"), "", ["", "A", "B", "B − A", "mean from A to B"], body);
}

/** The maps and tracks in view as tables: the same for those who cannot see the colours. */
function inView() {
  const areas = [];
  const placeOf = panel => Number(panel.start);
  for (const map of maps) {
    const { panel } = map, [low, high] = rows(map);
    const columns = [Math.floor(view.t[0] / D.duration * panel.cols), Math.ceil(view.t[1] / D.duration * panel.cols)];
    const line = (name, from, to) => {
      const first = Math.floor(from / panel.size * panel.rows), last = Math.ceil(to / panel.size * panel.rows);
      const found = mean(panel, columns, [first, Math.max(first + 1, last)]);
      areas.push([name, sortable(address(panel, from), placeOf(panel) + from), sortable(size(to - from), to - from),
        sortable(or(found?.mean, rate), found?.mean ?? null), sortable(or(found?.peak, rate), found?.peak ?? null)]);
    };
    const seen = panel.mappings.filter(m => m.end > low && m.start < high);
    if (!seen.length) line(panel.name, low, high);
    for (const m of seen) line(m.name || panel.name, Math.max(low, m.start), Math.min(high, m.end));
  }
  const heat = D.unit === "hz" ? "access rate" : "accesses per aggregation";
  fill($("areas"), "Memory", ["", "from", "size", `mean ${heat}`, "hottest cell"], areas);
  const values = [];
  for (const { track } of tracks) {
    for (const series of track.series) {
      const found = valuesIn(series, view.t), { short } = FORMAT[track.unit];
      const [low, high] = found.length ? [Math.min(...found), Math.max(...found)] : [null, null];
      const mean = found.length ? average(found) : null;
      values.push([series.name, ...[low, mean, high].map(value => sortable(or(value, short), value))]);
    }
  }
  fill($("values"), "Measured", ["", "lowest", "mean", "highest"], values);
  $("values").hidden = !values.length;
}
let resting = 0;
/** Sums over all cells in view wait until the view rests. */
function restSoon() {
  clearTimeout(resting);
  resting = setTimeout(inView, 200);
}

