// === Putting it together =================================================================================================

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme(theme = view.theme || (systemIsDark.matches ? "dark" : "light")) {
  document.documentElement.dataset.theme = theme;
  showScale();
}
function switchTheme() {
  view.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  applyTheme();
  draw();
}

function facts(list, facts) {
  $(list).replaceChildren(...facts.map(([name, value]) => {
    const box = element("div");
    box.append(element("dt", name), element("dd", value));
    return box;
  }));
}

/** Counts the targets shown, so that a slow one does not come in over a later one. */
let turn = 0;
async function showTarget() {
  const mine = ++turn, chosen = target();
  for (const panel of chosen.panels) await prepare(panel);
  if (mine !== turn) return;
  pointer = null;
  maps.length = 0;
  $("maps").replaceChildren();
  $("target").value = view.target;
  showTracks();
  chosen.panels.forEach((panel, i) => {
    const map = { panel, canvas: element("canvas"), key: `${view.target}.${i}` };
    const heading = element("h2", panel.name);
    const extent = size(panel.size) + (panel.name === panel.start ? "" : ` from ${panel.start}`);
    heading.append(element("span", extent, "soft"));
    describe(map.canvas, "heat map", `${panel.name}, ${extent}; numbers are in the tables below`);
    // Panels come by address, and low addresses are at the bottom, as in the other pictures.
    $("maps").prepend(heading, map.canvas);
    maps.push(map);
    attach(map.canvas, map);
  });
  showLegend(chosen);
  facts("figures", chosen.figures);
  draw();
}
function showLegend(chosen) {
  $("key-partial").hidden = !chosen.partial.length;
  $("help-schemes").hidden = !chosen.schemes.length;
  $("schemes").replaceChildren(...chosen.schemes.length ? [chip(
    chosen.schemes.map(name => `${name} applied`).join(", "), D.scheme_colours[0], on => { view.schemes = on; }, view.schemes)] : []);
}
/** The scale's colours are those of the theme. */
function showScale() {
  const scale = $("scale").getContext("2d");
  for (let x = 0; x < 160; x++) {
    scale.fillStyle = `rgb(${colour(x / 159)})`;
    scale.fillRect(x, 0, 1, 12);
  }
  $("scale-low").textContent = D.unit === "hz" ? "access rate: 0 Hz" : "accesses per aggregation: 0 samples";
  const clipped = D.peak > D.top * 1.000001 ? `; up to ${rate(D.peak)} has the colour of ${rate(D.top)}` : "";
  $("scale-high").textContent = heatText(D.top) + clipped;
}

/** Paper is white, and narrower than most screens. */
function beforePrint() {
  pointer = null;
  applyTheme("light");
  document.body.style.width = "1000px";
  drawNow();
}
function afterPrint() {
  applyTheme();
  document.body.style.width = "";
  draw();
}

async function start() {
  load();
  applyTheme();
  document.title = D.title;
  $("title").textContent = D.title;
  $("subtitle").textContent = D.subtitle;
  $("sentences").replaceChildren(...D.sentences.map(([text, command]) => {
    const item = element("li", text + " ");
    item.append(element("code", command));
    return item;
  }));
  $("words").hidden = !D.sentences.length;
  facts("facts", D.facts);
  $("provenance").textContent = [D.command && `Made by: ${D.command}`, D.hash && `Record: ${D.hash}`].filter(Boolean).join(". ");
  D.targets.forEach((target, i) => {
    const option = element("option", target.name);
    option.value = i;
    $("target").append(option);
  });
  $("target").onchange = event => {
    view.target = Number(event.target.value);
    showTarget();
  };
  const buttons = {
    "zoom-in": () => zoomTime(.6), "zoom-out": () => zoomTime(1 / .6), all: showAll, clear: clearMarkers,
    "set-a": () => setMarker("a"), "set-b": () => setMarker("b"), theme: switchTheme,
  };
  for (const [id, act] of Object.entries(buttons)) $(id).onclick = act;
  await showTarget();
  addEventListener("resize", draw);
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  addEventListener("hashchange", () => {
    load();
    applyTheme();
    showTarget();
  });
  systemIsDark.addEventListener("change", () => {
    applyTheme();
    draw();
  });
  document.documentElement.dataset.ready = "yes";
}
start();
