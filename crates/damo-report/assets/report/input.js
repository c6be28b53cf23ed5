// === Mouse, fingers, keys ==============================================================================================

/** Where an event is, in the plot's pixels. */
function where(event) {
  const box = event.currentTarget.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
function offsetAt(map, y) {
  const [low, high] = rows(map);
  return clamp(low + (1 - y / boxOf(map.canvas).height) * (high - low), low, high - 1);
}

/** Makes a map (or a track: `map` is null) listen to mouse and fingers. */
function attach(canvas, map) {
  const fingers = new Map(); // by pointer id: where it was last
  let pinch = null, frame = null;

  const point = event => {
    const [x, y] = where(event), box = boxOf(canvas), t = toT(clamp(x, box.x, box.right), box);
    pointer = map ? { t, map, offset: offsetAt(map, y) } : { t };
  };
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true, focusVisible: false });
    fingers.set(event.pointerId, where(event));
    pinch = null;
    frame = event.shiftKey && fingers.size === 1 ? { from: where(event), to: where(event) } : null;
    point(event);
    draw();
  });
  canvas.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId), now = where(event), box = boxOf(canvas);
    if (before) fingers.set(event.pointerId, now);
    if (frame) {
      frame.to = now;
      showFrame(canvas, frame);
    } else if (before && fingers.size === 1) {
      moveTime((before[0] - now[0]) / box.width * span());
      const [low, high] = map ? rows(map) : [0, 0];
      if (map && high - low < map.panel.size) moveSpace(map, (now[1] - before[1]) / box.height * (high - low));
    } else if (fingers.size === 2) {
      pinch = stretch([...fingers.values()], pinch, box);
    }
    point(event);
    draw();
  });
  /** Two fingers zoom along the axis on which they lie. */
  function stretch([p, q], last, box) {
    const apart = [Math.abs(p[0] - q[0]), Math.abs(p[1] - q[1])], middle = [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];
    const upright = map && (last ? last.upright : apart[1] > apart[0]), far = Math.max(apart[upright ? 1 : 0], 12);
    if (last && upright) zoomSpace(map, last.far / far, offsetAt(map, middle[1]));
    else if (last) zoomTime(last.far / far, toT(middle[0], box));
    return { upright, far };
  }
  const lift = event => {
    fingers.delete(event.pointerId);
    pinch = null;
    if (frame && event.type === "pointerup") zoomToFrame(canvas, map, frame);
    frame = null;
    $("frame")?.remove();
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("wheel", event => {
    const sideways = !event.shiftKey && Math.abs(event.deltaX) > Math.abs(event.deltaY);
    // Otherwise the page scrolls: a map fills most of it. A pinch on a touchpad comes as a wheel with Ctrl.
    const meant = event.ctrlKey || event.metaKey || document.activeElement === canvas;
    if (!meant && !sideways) return;
    event.preventDefault();
    point(event);
    // With Shift, some systems turn the wheel sideways.
    const turned = clamp((event.deltaY || event.deltaX) * (event.deltaMode ? 30 : 1), -120, 120);
    if (sideways) moveTime(event.deltaX / boxOf(canvas).width * span());
    else if (event.shiftKey && map) zoomSpace(map, Math.exp(turned / 300), pointer.offset);
    else zoomTime(Math.exp(turned / 300), pointer.t);
  }, { passive: false });
  canvas.addEventListener("dblclick", showAll);
}

function showFrame(canvas, { from, to }) {
  let shown = $("frame");
  if (!shown) {
    shown = element("div");
    shown.id = "frame";
    document.body.append(shown);
  }
  const box = canvas.getBoundingClientRect(), low = i => Math.min(from[i], to[i]), size = i => Math.abs(from[i] - to[i]);
  Object.assign(shown.style, {
    left: `${box.left + scrollX + low(0)}px`, top: `${box.top + scrollY + low(1)}px`,
    width: `${size(0)}px`, height: `${size(1)}px`,
  });
}
/** Zooms to a box drawn with Shift; a flat or narrow one means the other axis only. */
function zoomToFrame(canvas, map, { from, to }) {
  const box = boxOf(canvas), wide = Math.abs(from[0] - to[0]) > 8, tall = map && Math.abs(from[1] - to[1]) > 8;
  const times = [from[0], to[0]].map(x => toT(clamp(x, box.x, box.right), box)).sort((p, q) => p - q);
  const offsets = tall ? [from[1], to[1]].map(y => offsetAt(map, y)).sort((p, q) => p - q) : null;
  if (wide) view.t = within(times[0], Math.max(times[1] - times[0], shortest()), D.duration);
  if (tall) showSpace(map, within(offsets[0], Math.max(offsets[1] - offsets[0], smallest(map.panel)), map.panel.size));
  draw();
}

// --- keys ---------------------------------------------------------------------------------------------------------------

function setMarker(name) {
  view[name] = pointer ? pointer.t : centre();
  draw();
}
function clearMarkers() {
  view.a = view.b = null;
  draw();
}
/** Moves the crosshair by cells as stored, and the view after it. */
function step(canvas, map, columns, cells) {
  const panel = (map || maps[0]).panel, column = D.duration / panel.cols;
  const t = pointer ? pointer.t : centre();
  const at = clamp((Math.floor(t / column) + columns + .5) * column, 0, D.duration - 1);
  pointer = { t: at };
  if (at < view.t[0]) view.t = within(at, span(), D.duration);
  if (at > view.t[1]) view.t = within(at - span(), span(), D.duration);
  if (map) {
    const [low, high] = rows(map), row = panel.size / panel.rows, known = pointer.offset ?? map.crosshair ?? (low + high) / 2;
    const offset = clamp((Math.floor(known / row) + cells + .5) * row, 0, panel.size - 1);
    map.crosshair = offset;
    pointer = { t: at, map, offset };
    if (offset < low) showSpace(map, within(offset - row / 2, high - low, panel.size));
    if (offset >= high) showSpace(map, within(offset + row / 2 - (high - low), high - low, panel.size));
  }
  speak();
  draw();
}

/** What a key does: true if it did anything. */
function press(event) {
  const focus = document.activeElement, map = maps.find(map => map.canvas === focus) || null;
  const plot = map || tracks.find(track => track.canvas === focus);
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
  if (arrow && plot) {
    const [across, up] = arrow;
    if (event.shiftKey) step(plot.canvas, map, across, up);
    else if (across) moveTime(across * span() / 10);
    else if (map && view.y[map.key]) moveSpace(map, up * (rows(map)[1] - rows(map)[0]) / 10);
    else return false; // the page scrolls
    return true;
  }
  const actions = {
    "+": () => zoomTime(.7), "=": () => zoomTime(.7), "-": () => zoomTime(1 / .7), "_": () => zoomTime(1 / .7),
    y: () => zoomSpace(map || maps[0], event.shiftKey ? 1 / .7 : .7, pointer?.map === (map || maps[0]) ? pointer.offset : undefined),
    0: showAll, a: () => setMarker("a"), b: () => setMarker("b"), x: clearMarkers, t: switchTheme,
    Escape: () => document.activeElement?.blur(), s: () => $("schemes").querySelectorAll("button").forEach(button => button.click()),
  };
  if (!Object.hasOwn(actions, key)) return false;
  actions[key]();
  return true;
}
document.addEventListener("keydown", event => {
  if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (press(event)) event.preventDefault();
});

