// Put before every component's own main.js: a component is one module, which cannot import a second file.
// Data are never trusted as markup: nodes are made here, from text and attributes alone.

const SVG = "http://www.w3.org/2000/svg";
const unpacked = new WeakMap(); // bytes -> data

/** Return what Python packed as JSON into bytes: the same object for the same bytes. */
function unpack(bytes) {
  if (!unpacked.has(bytes)) {
    unpacked.set(bytes, JSON.parse(new TextDecoder().decode(bytes)));
  }
  return unpacked.get(bytes);
}

/** Return a new HTML element with a class and a text. */
function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

/** Return a new SVG element with these attributes and a text. */
function vector(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.textContent = text;
  return node;
}

/** Return an outline ("truth" or "explanation") as a line on a dark halo, so that it shows on any picture. */
function outline(kind, path) {
  const group = vector("g", { class: `outline ${kind}` });
  group.append(vector("path", { class: "halo", d: path }), vector("path", { class: "line", d: path }));
  return group;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** Take an event for this component alone, so that neither the page nor the App's shortcuts act on it too. */
function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

// ---- colours of maps

// Inferno and a blue to orange: perceptual, and told apart by colour-blind readers
const INFERNO = ["#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"];
const DIVERGING = ["#08306b", "#2166ac", "#67a9cf", "#c6dfee", "#ffffff", "#fddcae", "#f6a350", "#d0620b", "#7f3204"];

/** Return 256 colours [red, green, blue] along a scale. */
function colourTable(signed) {
  const stops = (signed ? DIVERGING : INFERNO).map(rgb);
  return Array.from({ length: 256 }, (_, k) => {
    const place = (k / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    return stops[first].map((value, channel) => Math.round(mix(value, stops[first + 1][channel], place - first)));
  });
}

function rgb(text) {
  return [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));
}

function mix(one, other, share) {
  return one + (other - one) * share;
}
