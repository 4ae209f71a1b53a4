// How explanations are shown is a habit of the reader's: it outlives a case, so it stands beside the views.
const shown = { opacity: 55, threshold: 0, heat: true, truth: true, explanation: true };

const MOST = 16; // times the size at which the whole image is seen
const STEP = 1.5;
const SMOOTH_SIDE = 256; // cells along the longer side that a smooth map is drawn with

const views = new WeakMap();

export default function ({ data: bytes, parentElement }) {
  const data = unpack(bytes);
  const view = views.get(parentElement) ?? create(parentElement);
  if (view.data === data) {
    return; // only the theme has changed, which CSS follows by itself
  }
  if (view.data?.id !== data.id) {
    resetZoom(view);
  }
  view.data = data;
  drawPanels(view);
  showPreferences(view);
  placeWorlds(view);
}

function create(root) {
  const view = { root, panels: root.querySelector(".panels"), data: null, drag: null, zoom: null, drawn: [] };
  views.set(root, view);
  resetZoom(view);
  listenToBar(view);
  listenToPanels(view);
  for (const kind of ["truth", "explanation"]) {
    root.querySelector(`.swatch-of-${kind}`).append(swatch(kind));
  }
  return view;
}

function swatch(kind) {
  const picture = vector("svg", { class: "swatch", viewBox: "0 0 24 8", "aria-hidden": "true" });
  picture.append(outline(kind, "M1 4H23"));
  return picture;
}

// ---- preferences

function listenToBar(view) {
  const bar = view.root.querySelector(".bar");
  bar.addEventListener("input", (event) => {
    const { name, type, checked, value } = event.target;
    shown[name] = type === "checkbox" ? checked : Number(value);
    showPreferences(view);
  });
  // Arrow keys belong to a slider only while it is moved: afterwards they lead to the next case again.
  bar.addEventListener("pointerup", (event) => event.target.matches("[type=range]") && event.target.blur());
  const middle = { x: 0.5, y: 0.5 };
  const buttons = { in: () => zoomBy(view, STEP, middle), out: () => zoomBy(view, 1 / STEP, middle) };
  buttons.reset = () => showWhole(view);
  for (const [name, act] of Object.entries(buttons)) {
    bar.querySelector(`[name=${name}]`).addEventListener("click", act);
  }
}

function showPreferences(view) {
  for (const input of view.root.querySelectorAll(".bar input")) {
    if (input.type === "checkbox") {
      input.checked = shown[input.name];
    } else {
      input.value = shown[input.name];
      input.nextElementSibling.textContent = `${shown[input.name]} %`;
    }
  }
  view.panels.classList.toggle("with-heat", shown.heat);
  view.panels.classList.toggle("without-truth", !shown.truth);
  view.panels.classList.toggle("without-explanation", !shown.explanation);
  view.panels.style.setProperty("--opacity", shown.opacity / 100);
  view.drawn.forEach(paint);
}

// ---- zoom: `zoom` holds the scale, and the world's left and top in widths and heights of a stage

function resetZoom(view) {
  view.zoom = { scale: 1, left: 0, top: 0 };
}

function showWhole(view) {
  resetZoom(view);
  placeWorlds(view);
}

/** Zoom about a point, given in shares of a stage. */
function zoomBy(view, factor, point) {
  const { zoom } = view;
  const scale = clamp(zoom.scale * factor, 1, MOST);
  zoom.left = point.x - ((point.x - zoom.left) * scale) / zoom.scale;
  zoom.top = point.y - ((point.y - zoom.top) * scale) / zoom.scale;
  zoom.scale = scale;
  placeWorlds(view);
}

function placeWorlds(view) {
  const { zoom, root, panels } = view;
  zoom.left = clamp(zoom.left, 1 - zoom.scale, 0);
  zoom.top = clamp(zoom.top, 1 - zoom.scale, 0);
  const box = { left: zoom.left, top: zoom.top, width: zoom.scale, height: zoom.scale };
  for (const { world } of view.drawn) {
    setBox(world, box);
  }
  panels.classList.toggle("zoomed", zoom.scale > 1);
  root.querySelector(".factor").textContent = `${zoom.scale.toFixed(1)} ×`;
  root.querySelector("[name=in]").disabled = zoom.scale >= MOST;
  root.querySelector("[name=out]").disabled = zoom.scale <= 1;
}

/** Place a node, in shares of the node around it. */
function setBox(node, box) {
  for (const [name, share] of Object.entries(box)) {
    node.style[name] = `${share * 100}%`;
  }
}

// ---- pointer and keys on the panels

function listenToPanels(view) {
  const { panels } = view;
  panels.addEventListener("wheel", (event) => wheel(view, event), { passive: false });
  panels.addEventListener("pointerdown", (event) => press(view, event));
  panels.addEventListener("pointermove", (event) => move(view, event));
  panels.addEventListener("pointerup", () => (view.drag = null));
  panels.addEventListener("pointercancel", () => (view.drag = null));
  panels.addEventListener("pointerleave", () => readOut(view, null));
  panels.addEventListener("dblclick", (event) => stageOf(event) && showWhole(view));
  panels.addEventListener("keydown", (event) => type(view, event));
}

function stageOf(event) {
  return event.target.closest(".stage");
}

/** Return where an event lies in a stage, in shares of it. */
function pointIn(stage, event) {
  const box = stage.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

/** Zoom at the pointer, once the reader has clicked into a picture or holds Ctrl: the page scrolls otherwise. */
function wheel(view, event) {
  const stage = stageOf(event);
  const entered = view.root.activeElement?.matches(".stage");
  const outOfWhole = view.zoom.scale === 1 && event.deltaY > 0 && !event.ctrlKey;
  if (!stage || !(event.ctrlKey || entered) || outOfWhole) {
    return;
  }
  event.preventDefault();
  zoomBy(view, Math.exp(-clamp(event.deltaY, -200, 200) / 400), pointIn(stage, event));
  readOut(view, imagePoint(view, pointIn(stage, event)));
}

function press(view, event) {
  const stage = stageOf(event);
  if (stage && event.button === 0) {
    stage.setPointerCapture(event.pointerId);
    const { left, top } = view.zoom;
    view.drag = { x: event.clientX, y: event.clientY, left, top, box: stage.getBoundingClientRect() };
  }
}

function move(view, event) {
  const { drag, zoom } = view;
  const stage = stageOf(event);
  if (drag) {
    zoom.left = drag.left + (event.clientX - drag.x) / drag.box.width;
    zoom.top = drag.top + (event.clientY - drag.y) / drag.box.height;
    placeWorlds(view);
  }
  readOut(view, stage ? imagePoint(view, pointIn(stage, event)) : null);
}

/** Zoom and move with + - 0 and shifted arrows; plain arrows are left to the page. */
function type(view, event) {
  const stage = stageOf(event);
  if (!stage || event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  const middle = { x: 0.5, y: 0.5 };
  const zooms = { "+": STEP, "=": STEP, "-": 1 / STEP };
  const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  if (zooms[event.key]) {
    take(event);
    zoomBy(view, zooms[event.key], middle);
  } else if (event.key === "0") {
    take(event);
    showWhole(view);
  } else if (event.shiftKey && steps[event.key]) {
    take(event);
    view.zoom.left += steps[event.key][0];
    view.zoom.top += steps[event.key][1];
    placeWorlds(view);
  } else if (event.key === "Escape" && view.zoom.scale > 1) {
    take(event);
    showWhole(view);
  }
}

// ---- read-out

/** Return a stage's point in original pixels, pixel k spanning [k, k + 1), or null outside the image. */
function imagePoint(view, point) {
  const { width, height } = view.data;
  const x = ((point.x - view.zoom.left) / view.zoom.scale) * width;
  const y = ((point.y - view.zoom.top) / view.zoom.scale) * height;
  return x >= 0 && y >= 0 && x < width && y < height ? { x, y } : null;
}

/** Show the raw value under the pointer in every panel, and the same spot on every picture. */
function readOut(view, point) {
  for (const panel of view.drawn) {
    panel.spot.style.visibility = point ? "visible" : "hidden";
    panel.value.textContent = point ? wordsAt(panel, point) : "";
    if (point) {
      setBox(panel.spot, { left: point.x / view.data.width, top: point.y / view.data.height });
    }
  }
}

function wordsAt({ spec, values }, point) {
  if (!spec) {
    return `pixel (${Math.floor(point.x)}, ${Math.floor(point.y)})`;
  }
  if (!values) {
    return "no heatmap";
  }
  const column = Math.floor(((point.x - spec.frame.x) / spec.frame.width) * spec.heat.width);
  const row = Math.floor(((point.y - spec.frame.y) / spec.frame.height) * spec.heat.height);
  if (column < 0 || row < 0 || column >= spec.heat.width || row >= spec.heat.height) {
    return "outside the model frame";
  }
  return `value ${digits(values[row * spec.heat.width + column])}`;
}

/** Return a number with three significant digits, with a true minus. */
function digits(value) {
  const size = Math.abs(value);
  const text = size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : Number(value.toPrecision(3));
  return String(text).replace("-", "−").replace("e-", "e−");
}

// ---- drawing

function drawPanels(view) {
  const { data, panels } = view;
  const number = data.panels.length + 1;
  panels.style.setProperty("--across", number === 5 || number === 6 ? 3 : Math.min(number, 4));
  panels.style.setProperty("--shape", data.width / data.height);
  view.drawn = [drawPanel(data, null), ...data.panels.map((spec) => drawPanel(data, spec))];
  panels.replaceChildren(...view.drawn.map((panel) => panel.figure));
}

/** Return a panel's nodes and values; without a spec, that of the plain image. */
function drawPanel(data, spec) {
  const values = spec?.heat ? decode(spec.heat) : null;
  const world = element("div", "world");
  world.append(picture(data));
  const canvas = values ? drawCanvas(data, spec) : null;
  const spot = crosshair();
  world.append(...(canvas ? [canvas] : []), outlines(data, spec), spot);
  const stage = element("div", "stage");
  stage.tabIndex = 0;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", `${spec ? spec.title : "Image"}: plus and minus zoom, shift and arrows move`);
  stage.append(world);
  if (spec && !values) {
    stage.append(element("div", "absent", spec.note || "No heatmap"));
  }
  const value = element("div", "value");
  const note = !spec ? data.note : values ? spec.note : "";
  const figure = element("figure", values ? "panel explained" : "panel");
  figure.append(caption(spec ? spec.title : "Image", note), stage, value, values ? colourBar(spec) : element("div"));
  return { spec, values, figure, world, canvas, spot, value };
}

function caption(title, note) {
  const node = element("figcaption");
  node.append(element("div", "title", title));
  if (note) {
    node.append(element("div", "note", note));
  }
  return node;
}

function picture(data) {
  const image = element("img");
  image.src = data.image;
  image.alt = data.alt;
  image.draggable = false;
  return image;
}

function outlines(data, spec) {
  const lines = vector("svg", {
    viewBox: `0 0 ${data.width} ${data.height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  lines.append(outline("truth", data.truth));
  if (spec) {
    lines.append(outline("explanation", spec.explanation));
  }
  return lines;
}

function crosshair() {
  const path = "M8.5 0V6M8.5 11V17M0 8.5H6M11 8.5H17";
  const node = vector("svg", { class: "spot", viewBox: "0 0 17 17", "aria-hidden": "true" });
  node.append(vector("path", { class: "halo", d: path }), vector("path", { d: path }));
  return node;
}

// ---- heatmaps

/** Return the raw values of a heatmap, row by row. */
function decode({ data, scale, width, height }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const numbers = new DataView(bytes.buffer);
  return Float32Array.from({ length: width * height }, (_, k) => (numbers.getInt16(2 * k, true) / 32767) * scale);
}

function drawCanvas(data, spec) {
  const { frame, heat, smooth } = spec;
  const enlarged = smooth ? Math.max(1, Math.round(SMOOTH_SIDE / Math.max(heat.width, heat.height))) : 1;
  const canvas = element("canvas", smooth ? "smooth" : "");
  canvas.width = heat.width * enlarged;
  canvas.height = heat.height * enlarged;
  setBox(canvas, {
    left: frame.x / data.width,
    top: frame.y / data.height,
    width: frame.width / data.width,
    height: frame.height / data.height,
  });
  return canvas;
}

/** Colour a panel's canvas; what lies below the threshold is left clear. */
function paint({ canvas, spec, values }) {
  if (!canvas || canvas.dataset.threshold === String(shown.threshold)) {
    return;
  }
  canvas.dataset.threshold = shown.threshold;
  const { width, height } = canvas;
  const drawn = width === spec.heat.width ? values : enlarge(values, spec.heat, width, height);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const table = colourTable(spec.signed);
  const lowest = (shown.threshold / 100) * spec.limit;
  drawn.forEach((value, k) => {
    const share = clamp(value / spec.limit, spec.signed ? -1 : 0, 1);
    const place = Math.round((spec.signed ? (share + 1) / 2 : share) * 255);
    pixels.data.set(table[place], 4 * k);
    pixels.data[4 * k + 3] = Math.abs(value) < lowest ? 0 : 255;
  });
  context.putImageData(pixels, 0, 0);
}

/** Return values at another size, bilinear between cell centres: colours are then taken of values, not mixed. */
function enlarge(values, heat, width, height) {
  const columns = neighbours(heat.width, width);
  return Float32Array.from(
    neighbours(heat.height, height).flatMap(([above, below, down]) =>
      columns.map(([left, right, across]) => {
        const upper = mix(values[above * heat.width + left], values[above * heat.width + right], across);
        const lower = mix(values[below * heat.width + left], values[below * heat.width + right], across);
        return mix(upper, lower, down);
      }),
    ),
  );
}

/** Return for each of `length` places the two cells of `cells` around it and the second one's weight. */
function neighbours(cells, length) {
  return Array.from({ length }, (_, k) => {
    const place = clamp(((k + 0.5) * cells) / length - 0.5, 0, cells - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, cells - 1), place - first];
  });
}

function colourBar(spec) {
  const bar = element("div", "scale");
  const ramp = element("div", "ramp");
  ramp.style.background = `linear-gradient(to right, ${(spec.signed ? DIVERGING : INFERNO).join(", ")})`;
  const words = spec.signed ? [digits(-spec.limit), "0", digits(spec.limit)] : ["0", digits(spec.limit)];
  const ends = element("div", "ends");
  ends.append(...words.map((word) => element("span", "", word)));
  bar.append(ramp, ends, element("div", "unit", spec.unit));
  return bar;
}
