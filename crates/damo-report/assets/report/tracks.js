// === Tracks: values over time, below the maps ========================================================================

/** Index of the value that holds at a time; -1 before the first. */
function holding(times, t) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
/** The value of a series at a time; null if unknown. */
function valueAt(series, t) {
  const at = holding(series.t, t);
  return at < 0 ? null : series.v[at];
}
/** The values of a series that hold anywhere in a window. */
function valuesIn(series, [from, to]) {
  const first = Math.max(0, holding(series.t, from)), last = holding(series.t, to);
  return series.v.slice(first, last + 1).filter(value => value !== null);
}
const seriesInk = number => `--s${number % 6}`;

/** A round number that is at least `most`: for bytes in powers of two or 1.5 times that. */
function roundTop(most, unit) {
  if (!(most > 0)) return 1;
  if (unit === "bytes") {
    const power = 2 ** Math.floor(Math.log2(most));
    return [1, 1.25, 1.5, 1.75, 2].map(m => m * power).find(top => top >= most);
  }
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 3, 4, 5, 6, 8, 10].map(m => m * power).find(top => top >= most * .999999);
}

function drawTrack(entry) {
  const { track, hidden, canvas } = entry, [g, box] = begin(canvas, 124 + STRIP);
  const shown = track.series.map((series, number) => ({ series, number })).filter(({ number }) => !hidden.has(number));
  const values = shown.flatMap(({ series }) => valuesIn(series, view.t)), top = roundTop(Math.max(...values, 0), track.unit);
  const PAD = 7, y = value => box.height - value / top * (box.height - PAD);
  g.fillStyle = css("--panel");
  g.fillRect(box.x, 0, box.width, box.height);
  g.textAlign = "right";
  g.textBaseline = "middle";
  for (const part of [0, .5, 1]) {
    const at = y(top * part);
    strokeLine(g, box.x, Math.round(at) - .5, box.right, Math.round(at) - .5, css("--line"));
    g.fillStyle = css("--soft");
    g.fillText(FORMAT[track.unit].short(top * part), box.x - 7, Math.min(at, box.height - 6));
  }
  clipped(g, box, () => {
    for (const { series, number } of shown) drawSeries(g, box, series, css(seriesInk(number)), y, number === 0);
  });
  if (!values.length) {
    g.fillStyle = css("--soft");
    g.textAlign = "center";
    g.fillText("nothing was measured in this span of time", (box.x + box.right) / 2, box.height / 2);
  }
  timeAxis(g, box);
  overlays(g, box, {});
}
/** Each value as a step over the time for which it holds; the first series of a track is filled. */
function drawSeries(g, box, series, ink, y, filled) {
  const first = Math.max(0, holding(series.t, view.t[0])), last = Math.min(series.t.length - 1, holding(series.t, view.t[1]));
  const steps = [];
  for (let i = first; i <= last; i++) {
    if (series.v[i] === null) continue;
    const until = i + 1 < series.t.length ? series.t[i + 1] : Math.min(D.duration, lastsUntil(series));
    steps.push([toX(series.t[i], box), toX(until, box), y(series.v[i])]);
  }
  if (filled) {
    g.globalAlpha = .22;
    g.fillStyle = ink;
    // One path, a little wider than each step: no seams between neighbours, and nothing is painted twice.
    g.beginPath();
    for (const [from, to, at] of steps) g.rect(from, at, to - from + .5, box.height - at);
    g.fill();
    g.globalAlpha = 1;
  }
  g.strokeStyle = ink;
  g.lineWidth = 1.5;
  g.beginPath();
  let end = null;
  for (const [from, to, at] of steps) {
    if (end === null || from - end > .5) g.moveTo(from, at);
    else g.lineTo(from, at);
    g.lineTo(to, at);
    end = to;
  }
  g.stroke();
  g.lineWidth = 1;
}
/** The last value is taken to hold as long as the one before it. */
function lastsUntil({ t }) {
  return t.length > 1 ? 2 * t.at(-1) - t.at(-2) : D.duration;
}

/** Puts the tracks of the target and of the machine on the page. */
function showTracks() {
  tracks.length = 0;
  $("tracks").replaceChildren();
  for (const track of [...target().tracks, ...D.tracks]) {
    const entry = { track, hidden: new Set(), canvas: element("canvas") };
    const heading = element("h2", track.name);
    track.series.forEach((series, number) => heading.append(chip(series.name, `var(${seriesInk(number)})`, on => {
      if (on) entry.hidden.delete(number);
      else entry.hidden.add(number);
    })));
    if (track.note) heading.append(element("span", track.note, "soft"));
    describe(entry.canvas, "track", `${track.name}: ${track.series.map(series => series.name).join(", ")}`);
    $("tracks").append(heading, entry.canvas);
    tracks.push(entry);
    attach(entry.canvas, null);
  }
}
/** A button that shows and hides what it names. */
function chip(name, ink, change, on = true) {
  const button = element("button", undefined, "chip"), swatch = element("i");
  button.append(swatch, name);
  swatch.style.background = ink;
  button.setAttribute("aria-pressed", on);
  button.title = "show or hide";
  button.onclick = () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", now);
    change(now);
    draw();
  };
  return button;
}
function describe(canvas, kind, text) {
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", kind);
  canvas.setAttribute("aria-label", text);
  canvas.setAttribute("aria-describedby", "help");
}

