// Cividis: told apart by colour-blind readers, and lighter at every step.
const CIVIDIS = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 180, 105],
  [225, 204, 85],
  [254, 232, 56],
];
const MANY = 4; // classes past which cells are small and names of columns upright

const count = new Intl.NumberFormat("en-GB");
const tables = new WeakMap();

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const data = unpack(bytes);
  const view = tables.get(parentElement) ?? create(parentElement);
  view.send = setTriggerValue;
  const focused = parentElement.activeElement?.dataset.place; // the buttons are made anew below
  drawTable(view, data);
  drawLegend(parentElement, data);
  rove(view, focused ?? view.place ?? "1 1", focused !== undefined);
}

function create(root) {
  const view = { root, table: root.querySelector("table"), place: null };
  tables.set(root, view);
  view.table.addEventListener("click", (event) => choose(view, event.target.closest("button")));
  view.table.addEventListener("keydown", (event) => walk(view, event));
  view.table.addEventListener("focusin", (event) => rove(view, event.target.dataset.place, false));
  return view;
}

// ---- gestures

/** Send a button's classes; a pressed one is let go, which clears the selection. */
function choose(view, button) {
  if (!button) {
    return;
  }
  const pressed = button.getAttribute("aria-pressed") === "true";
  const { label = null, called = null } = pressed ? {} : view.meanings.get(button);
  view.send("cell", { label, called });
}

function walk(view, event) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const step = steps[event.key];
  const place = event.target.dataset.place;
  if (!step || !place) {
    return;
  }
  take(event);
  const [row, column] = place.split(" ").map(Number);
  rove(view, `${row + step[0]} ${column + step[1]}`, true);
}

/** Make one button of the table the one that Tab reaches. */
function rove(view, place, focus) {
  const next = buttonAt(view, place) ?? buttonAt(view, view.place) ?? view.table.querySelector("button");
  if (!next) {
    return;
  }
  const last = view.table.querySelector("button[tabindex='0']");
  last?.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  view.place = next.dataset.place;
  if (focus) {
    next.focus({ preventScroll: true });
  }
}

function buttonAt(view, place) {
  return [...view.meanings.keys()].find((button) => button.dataset.place === place);
}

// ---- drawing

function drawTable(view, data) {
  view.meanings = new Map();
  view.table.classList.toggle("many", Math.max(data.labels.length, data.called.length) > MANY);
  view.table.querySelector("caption").textContent = "Rows: label. Columns: what it was called.";
  view.table.querySelector("thead").replaceChildren(headOfColumns(view, data));
  view.table.querySelector("tbody").replaceChildren(...data.labels.map((_, row) => bodyRow(view, data, row)));
}

function headOfColumns(view, data) {
  const row = element("tr");
  row.append(element("td", "corner"));
  data.called.forEach((called, column) => {
    const pressed = only(data.selected.called, called) && !data.selected.labels.length;
    const button = makeButton(view, `0 ${column + 1}`, { called }, `Called ${called}`, pressed);
    button.append(element("span", "unseen", "Called "), element("span", "name", called));
    row.append(head("col", "column", button));
  });
  return row;
}

function bodyRow(view, data, row) {
  const label = data.labels[row];
  const pressed = only(data.selected.labels, label) && !data.selected.called.length;
  const button = makeButton(view, `${row + 1} 0`, { label }, `Label ${label}`, pressed);
  button.append(element("span", "unseen", "Label "), element("span", "name", label));
  const line = element("tr");
  line.append(head("row", "row", button), ...data.called.map((_, column) => cell(view, data, row, column)));
  return line;
}

function head(scope, kind, button) {
  const node = element("th", kind);
  node.scope = scope;
  node.append(button);
  return node;
}

function cell(view, data, row, column) {
  const [label, called, { count: records, mean }] = [data.labels[row], data.called[column], data.cells[row][column]];
  const score = mean === null ? "no score" : `mean ${lowerFirst(data.score)} ${mean.toFixed(2)}`;
  const [where, number] = [`label ${label}, called ${called}: `, count.format(records)];
  const pressed = only(data.selected.labels, label) && only(data.selected.called, called);
  const button = makeButton(view, `${row + 1} ${column + 1}`, { label, called }, `${where}${number} records, ${score}`, pressed);
  button.append(element("span", "unseen", where), element("span", "count", number), element("span", "unseen", " records, "));
  if (mean === null || view.table.classList.contains("many")) {
    button.append(element("span", "unseen", score));
  } else {
    button.append(element("span", "unseen", score.slice(0, -4)), element("span", "mean", mean.toFixed(2)));
  }
  colour(button, records, mean);
  const node = element("td", label === called ? "diagonal" : "");
  node.append(button);
  return node;
}

function makeButton(view, place, meaning, words, pressed) {
  const button = element("button");
  button.type = "button";
  button.title = words;
  button.tabIndex = -1;
  button.dataset.place = place;
  button.setAttribute("aria-pressed", String(pressed));
  view.meanings.set(button, meaning);
  return button;
}

function only(chosen, name) {
  return chosen.length === 1 && chosen[0] === name;
}

function lowerFirst(text) {
  // an abbreviation such as IoU keeps its capitals
  return /^[A-Z][a-z]+\b/.test(text) ? text[0].toLowerCase() + text.slice(1) : text;
}

/** Colour a cell by its mean, and its text black or white, whichever stands out more. */
function colour(button, records, mean) {
  if (!records || mean === null) {
    button.className = records ? "unscored" : "none";
    return;
  }
  const ground = shade(clamp(mean, 0, 1));
  button.style.background = `rgb(${ground.join(" ")})`;
  button.style.color = luminance(ground) > 0.179 ? "#000" : "#fff";
}

function shade(share) {
  const place = share * (CIVIDIS.length - 1);
  const below = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[below].map((value, k) => Math.round(value + (CIVIDIS[below + 1][k] - value) * (place - below)));
}

/** Return the relative luminance of WCAG 2: black and white text have equal contrast on 0.179. */
function luminance(colours) {
  const [red, green, blue] = colours.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function drawLegend(root, data) {
  const stops = CIVIDIS.map((colours) => `rgb(${colours.join(" ")})`);
  root.querySelector(".score").textContent = `Mean ${lowerFirst(data.score)}`;
  root.querySelector(".ramp").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  const leftOut = root.querySelector(".left-out");
  leftOut.textContent = data.left_out;
  leftOut.hidden = !data.left_out;
}
