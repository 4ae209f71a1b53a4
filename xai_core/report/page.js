// Data are never trusted as markup: nodes are made here, from text and attributes alone.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Inferno and a blue to orange: perceptual, and told apart by colour-blind readers
const INFERNO = ["#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"];
const DIVERGING = ["#08306b", "#2166ac", "#67a9cf", "#c6dfee", "#ffffff", "#fddcae", "#f6a350", "#d0620b", "#7f3204"];
// In a square of 14: a tick, a cross, a question mark
const MARKS = {
  right: "M4 7.3 6.2 9.6 10.2 4.8",
  wrong: "M4.6 4.6 9.4 9.4M9.4 4.6 4.6 9.4",
  unknown: "M5.2 5.5a1.8 1.8 0 1 1 2.6 1.7Q7 7.6 7 8.4M7 10.6v.1",
};
const SMOOTH_SIDE = 96; // cells along the longer side that a smooth map is drawn with
const ALL = "";

const report = JSON.parse(document.getElementById("data").textContent);
const form = document.querySelector(".bar");
const list = document.querySelector(".cases");
const tables = { signed: colourTable(DIVERGING), unsigned: colourTable(INFERNO) };

drawHead();
report.sections.forEach(drawSection);
const cards = report.cases.map(drawCase);
drawBar();
showCases();
showPictures();

// ---- nodes

/** Return a new HTML element with a class, and texts or nodes in it. */
function element(tag, className = "", ...content) {
  const node = document.createElement(tag);
  if (className) {
    node.className = className;
  }
  node.append(...content);
  return node;
}

/** Return a new SVG element with these attributes and nodes in it. */
function vector(tag, attributes = {}, ...content) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...content);
  return node;
}

/** Return an outline ("truth" or "explanation") as a line on a dark halo, so that it shows on any picture. */
function outline(kind, path) {
  const lines = ["halo", "line"].map((name) => vector("path", { class: name, d: path }));
  return vector("g", { class: `outline ${kind}` }, ...lines);
}

// ---- what stands before and after the cases

function drawHead() {
  document.querySelector("h1").textContent = report.title;
  document.querySelector(".lead").textContent = report.sentence;
  document.querySelector(".left-out").textContent = report.left_out;
  document.querySelector(".hint").textContent = report.hint;
  document.querySelector("footer p").textContent = report.foot;
  const before = report.sections.filter((section) => !section.after);
  const entries = [...before, { id: "cases", title: "Cases" }, ...report.sections.filter((section) => section.after)];
  for (const { id, title } of entries) {
    const link = element("a", "", title);
    link.href = `#${id}`;
    document.querySelector("nav ul").append(element("li", "", link));
  }
}

function drawSection({ id, title, parts, after }) {
  const section = element("section", "", element("h2", "", title), ...parts.map(drawPart));
  section.id = id;
  section.querySelector("h2").id = `${id}-title`;
  section.setAttribute("aria-labelledby", `${id}-title`);
  const cases = document.getElementById("cases");
  if (after) {
    cases.parentElement.append(section);
  } else {
    cases.before(section);
  }
}

/** Return the node of a part: {text}, {heading}, {list}, {table: {head, rows, caption}}, {code} or {folded, parts}. */
function drawPart(part) {
  if (part.heading) {
    return element("h3", "", part.heading);
  }
  if (part.list) {
    return element("ul", "", ...part.list.map((text) => element("li", "", text)));
  }
  if (part.table) {
    return drawTable(part.table);
  }
  if (part.code) {
    return element("pre", "", part.code);
  }
  if (part.folded) {
    return element("details", "", element("summary", "", part.folded), ...part.parts.map(drawPart));
  }
  return element("p", part.faint ? "faint" : "", part.text);
}

function drawTable({ head, rows, caption }) {
  const scoped = (scope, text) => {
    const cell = element("th", "", text);
    cell.scope = scope;
    return cell;
  };
  const top = element("thead", "", element("tr", "", ...head.map((text) => scoped("col", text))));
  const body = rows.map(([name, ...cells]) =>
    element("tr", "", scoped("row", name), ...cells.map((text) => element("td", "", text))),
  );
  const table = element("table", "", element("caption", "", caption), top, element("tbody", "", ...body));
  const wide = element("div", "wide", table);
  wide.tabIndex = 0;
  wide.setAttribute("role", "region");
  wide.setAttribute("aria-label", caption);
  return wide;
}

// ---- cases

function drawCase(data, place) {
  const title = element("h3", "", data.id);
  title.id = `case-${place}`;
  const views = report.runs.map((run, k) => drawView(data, run, data.views[k]));
  const whole = element("figure", "", picture(data, null, `${data.id}, label ${data.label || "unknown"}`));
  whole.append(element("figcaption", "", element("div", "title", "Image"), `label ${data.label || "unknown"}`));
  const node = element("article", "case", title, element("div", "pictures", whole, ...views));
  if (data.metadata) {
    node.append(element("details", "", element("summary", "", "Metadata"), element("p", "", data.metadata)));
  }
  node.setAttribute("aria-labelledby", title.id);
  const said = data.views.filter(Boolean).flatMap((view) => [view.verdict, view.tags, view.note]);
  const text = [data.id, data.label, data.metadata, ...said].join("\n").toLowerCase();
  return { data, place, node, text };
}

/** Return a case's figure in one run. */
function drawView(data, run, view) {
  const caption = element("figcaption");
  if (!view || view.absent) {
    caption.append(element("div", "title", run.name), view ? view.absent : "This run does not have this sample.");
    return element("figure", "", caption);
  }
  const words = `${run.name}: called ${view.called || "nothing"}, outcome ${view.outcome_text}`;
  caption.append(element("div", "title", report.runs.length > 1 ? run.name : `Evidence for ${view.target || "nothing"}`));
  if (report.runs.length > 1) {
    caption.append(element("div", "", `evidence for ${view.target || "nothing"}`));
  }
  if (run.mark) {
    caption.append(element("div", "mark", run.mark));
  }
  caption.append(element("div", `outcome ${view.outcome}`, icon(view.outcome), `called ${view.called || "nothing"}, ${view.outcome_text}`));
  caption.append(figures(view));
  for (const [tag, text] of [["verdict", view.verdict], ["verdict", view.tags]]) {
    if (text) {
      caption.append(element("span", tag, text));
    }
  }
  if (view.note) {
    caption.append(element("p", "note", `“${view.note}” (${view.reviewer})`));
  }
  return element("figure", "", picture(data, { ...view, ...run, heat: view.heat }, words), caption);
}

function figures(view) {
  const node = element("dl");
  for (const [name, text] of view.figures) {
    node.append(element("dt", "", name), element("dd", "", text));
  }
  return node;
}

/** Return a mark with a shape of its own: right is round, wrong square. */
function icon(outcome) {
  const round = vector("rect", { width: 14, height: 14, rx: outcome === "wrong" ? 2 : 7 });
  return vector("svg", { class: "icon", viewBox: "0 0 14 14", "aria-hidden": "true" }, round, vector("path", { d: MARKS[outcome] }));
}

function picture(data, view, words) {
  const image = element("img");
  image.src = data.src;
  image.alt = words;
  image.decoding = "async";
  const lines = vector("svg", { viewBox: `0 0 ${data.width} ${data.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  lines.append(outline("truth", data.truth));
  const node = element("div", "picture", image);
  node.style.aspectRatio = `${data.width} / ${data.height}`;
  if (view) {
    lines.append(outline("explanation", view.explanation));
    if (view.heat) {
      node.classList.add("explained");
      node.append(drawHeat(view));
    }
  }
  node.append(lines);
  return node;
}

// ---- heatmaps: a byte for each cell, of which 0 to 255 is 0 to the limit, or 1 to 255 its negative to itself

function drawHeat({ heat, signed, smooth }) {
  const [width, height, data, box] = heat;
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const enlarged = smooth ? Math.max(1, Math.round(SMOOTH_SIDE / Math.max(width, height))) : 1;
  const drawn = enlarged === 1 ? bytes : enlarge(bytes, width, height, enlarged);
  const canvas = element("canvas", smooth ? "smooth" : "");
  canvas.width = width * enlarged;
  canvas.height = height * enlarged;
  ["left", "top", "width", "height"].forEach((name, k) => (canvas.style[name] = `${box[k] * 100}%`));
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const colours = new Uint32Array(pixels.data.buffer);
  const table = tables[signed ? "signed" : "unsigned"];
  drawn.forEach((value, k) => (colours[k] = table[value]));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Return values on a finer grid, bilinear between cell centres: colours are then taken of values, not mixed. */
function enlarge(values, width, height, times) {
  const columns = neighbours(width, times);
  const drawn = new Uint8Array(width * height * times * times);
  let place = 0;
  for (const [above, below, down] of neighbours(height, times)) {
    for (const [left, right, across] of columns) {
      const upper = mix(values[above * width + left], values[above * width + right], across);
      const lower = mix(values[below * width + left], values[below * width + right], across);
      drawn[place] = Math.round(mix(upper, lower, down));
      place += 1;
    }
  }
  return drawn;
}

/** Return for each of `cells * times` places the two cells around it and the second one's weight. */
function neighbours(cells, times) {
  return Array.from({ length: cells * times }, (_, k) => {
    const place = Math.min(Math.max((k + 0.5) / times - 0.5, 0), cells - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, cells - 1), place - first];
  });
}

function mix(one, other, share) {
  return one + (other - one) * share;
}

/** Return 256 colours along a scale, as the words that a canvas has in memory. */
function colourTable(stops) {
  const channels = stops.map((text) => [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16)));
  const bytes = new Uint8Array(1024);
  for (let k = 0; k < 256; k += 1) {
    const place = (k / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    channels[first].forEach((value, channel) => (bytes[4 * k + channel] = Math.round(mix(value, channels[first + 1][channel], place - first))));
    bytes[4 * k + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

// ---- order and filters

function drawBar() {
  list.style.setProperty("--pictures", report.runs.length + 1);
  fill("run", report.runs.map((run, k) => [k, run.name]));
  document.querySelector(".judged").hidden = report.runs.length < 2;
  document.querySelector(".judged").style.display = report.runs.length < 2 ? "none" : "";
  fill("sort", report.sorts);
  for (const name of ["label", "called", "outcome", "pattern"]) {
    fill(name, [[ALL, "all"], ...report.choices[name]]);
  }
  const kinds = new Set(report.runs.map((run) => run.signed));
  for (const signed of [...kinds].sort()) {
    const ramp = element("span", "ramp");
    ramp.style.background = `linear-gradient(to right, ${(signed ? DIVERGING : INFERNO).join(", ")})`;
    document.querySelector(".scales").append(element("span", "scale", signed ? "against" : "none", ramp, signed ? "for it" : "strong"));
  }
  form.addEventListener("input", (event) => (event.target.closest("[name=opacity],[type=checkbox]") ? showPictures() : showCases()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => [showCases(), showPictures()]));
}

function fill(name, options) {
  for (const [value, text] of options) {
    const option = element("option", "", text);
    option.value = value;
    form.elements[name].append(option);
  }
}

function showCases() {
  const { run, sort, order } = form.elements;
  const chosen = Number(run.value);
  order.disabled = sort.value === "worst";
  const shown = cards.filter((card) => passes(card, card.data.views[chosen]));
  const value = (card) => (sort.value === "worst" ? card.place : sort.value === "id" ? card.data.id : card.data.views[chosen]?.values?.[sort.value] ?? null);
  const direction = order.value === "high" && sort.value !== "worst" ? -1 : 1;
  const keyed = shown.map((card) => [value(card), card]);
  keyed.sort(([one, a], [other, b]) => compare(one, other, direction) || a.place - b.place);
  const visible = new Set(shown);
  cards.forEach((card) => (card.node.hidden = !visible.has(card)));
  list.replaceChildren(...keyed.map(([, card]) => card.node), ...cards.filter((card) => !visible.has(card)).map((card) => card.node));
  document.querySelector(".count").textContent = `${shown.length} of ${cards.length} cases are shown.`;
}

/** Return the order of two values; what is undefined comes last in either direction. */
function compare(one, other, direction) {
  if (one === null || other === null) {
    return (one === null) - (other === null);
  }
  return one === other ? 0 : (one < other ? -1 : 1) * direction;
}

function passes({ data, text }, view) {
  const wanted = form.elements;
  const values = { label: data.label, called: view?.called, outcome: view?.outcome, pattern: view?.pattern };
  const words = wanted.text.value.trim().toLowerCase();
  return Object.entries(values).every(([name, value]) => wanted[name].value === ALL || (value !== undefined && wanted[name].value === `=${value}`)) && text.includes(words);
}

function showPictures() {
  const { opacity, truth, explanation } = form.elements;
  list.style.setProperty("--opacity", opacity.value / 100);
  list.classList.toggle("with-heat", opacity.value > 0);
  list.classList.toggle("without-truth", !truth.checked);
  list.classList.toggle("without-explanation", !explanation.checked);
}
