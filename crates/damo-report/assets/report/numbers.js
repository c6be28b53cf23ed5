"use strict";
// === Numbers for people ============================================================================================

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
/** Without zeros at the end. */
const trim = (value, digits = 3) => String(+value.toFixed(digits));

/** Nanoseconds, as `2 m 30.5 s`, `12.25 s`, `40 ms`. */
function time(ns, digits = 3) {
  const sign = ns < 0 ? "−" : "", size = Math.abs(ns);
  if (size >= 6e10) {
    const seconds = +(size / 1e9).toFixed(digits);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const parts = [[h, "h"], [m, "m"], [+s.toFixed(digits), "s"]].filter(([number]) => number);
    return sign + parts.map(([number, unit]) => `${number} ${unit}`).join(" ");
  }
  if (size >= 1e9) return sign + trim(size / 1e9, digits) + " s";
  if (size >= 1e6) return sign + trim(size / 1e6, digits) + " ms";
  if (size >= 1e3) return sign + trim(size / 1e3, digits) + " µs";
  return size ? sign + Math.round(size) + " ns" : "0 s";
}

/** Bytes, as `10.02 MiB`. */
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let at = 0, value = Math.abs(bytes);
  for (; value >= 1024 && at < 6; at++) value /= 1024;
  return (bytes < 0 ? "−" : "") + trim(value, at ? 2 : 0) + " " + units[at];
}
const share = value => trim(value * 100, 2) + " %";
/** Cells keep their heat as a share of 65535: no more digits than that is good for. */
const rate = value => {
  const number = trim(value, 2);
  return number.replace("-", "−") + (D.unit === "hz" ? " Hz" : number === "1" ? " sample" : " samples");
};
const count = value => Math.round(value).toLocaleString("en");

/** How the values of a track are written: for axes, and exactly. */
const FORMAT = {
  bytes: { short: size, exact: value => `${size(value)} (${count(value)} B)` },
  share: { short: value => trim(value * 100, 1).replace("-", "−") + " %", exact: share },
};

/** How hot, and how much that is of what can be. */
function heatText(heat) {
  if (heat === null) return "no data";
  return D.unit === "hz" ? `${rate(heat)} (${trim(heat / D.max * 100, 1)} % of possible)` : rate(heat);
}

/** Addresses do not fit the numbers of JavaScript. */
const address = (panel, offset) => "0x" + (BigInt(panel.start) + BigInt(Math.round(offset))).toString(16);

// === Small helpers =================================================================================================

const $ = id => document.getElementById(id);
/** An element with text: names in a record are untrusted and never become markup. */
function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
const D = JSON.parse($("data").textContent);

