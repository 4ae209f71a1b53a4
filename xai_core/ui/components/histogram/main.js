const HEIGHT = 140;
const MARGIN = { side: 3, bottom: 18, labelRow: 13 };
const DRAG_FROM = 4; // pixels: a hand trembles less than this in a click
const DASHES = ["1.5 3", "6 3", "9 3 2 3"];
const PATIENCE = 3000; // ms within which Python answers what was selected
const SERIES = ["right", "wrong", "unknown"];

const count = new Intl.NumberFormat("en-GB");
const charts = new WeakMap();
const lengths = new Map(); // class and text -> pixels

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const data = unpack(bytes);
  const chart = charts.get(parentElement) ?? create(parentElement);
  chart.send = setTriggerValue;
  chart.data = data;
  receive(chart, data.selected);
  chart.cursor = Math.min(chart.cursor, data.names.length - 1);
  describe(chart);
  draw(chart);
}

/** Return a chart's state; what the listeners need is read from it, so that they are attached once. */
function create(root) {
  const find = (name) => root.querySelector(`.${name}`);
  const chart = {
    svg: find("chart"),
    title: find("title"),
    help: find("help"),
    tip: find("tip"),
    tallest: find("tallest"),
    line: find("line"),
    clear: find("clear"),
    undefined: find("undefined"),
    live: find("live"),
    cursor: -1, // the bin under the keyboard's cursor; -1 before the first arrow key
    anchor: null, // the bin where a selection by shift and arrows began
    hovered: null,
    drag: null,
    sent: [], // selections that Python may yet answer, oldest first
  };
  charts.set(root, chart);
  listen(chart);
  new ResizeObserver(() => draw(chart)).observe(chart.svg);
  return chart;
}

function listen(chart) {
  const { svg } = chart;
  svg.addEventListener("pointerdown", (event) => press(chart, event));
  svg.addEventListener("pointermove", (event) => move(chart, event));
  svg.addEventListener("pointerup", (event) => release(chart, event));
  svg.addEventListener("pointercancel", () => abandon(chart));
  svg.addEventListener("pointerleave", () => hover(chart, null));
  svg.addEventListener("dblclick", () => select(chart, null));
  svg.addEventListener("keydown", (event) => type(chart, event));
  svg.addEventListener("keyup", (event) => event.key === "Shift" && commit(chart));
  svg.addEventListener("blur", () => commit(chart));
  chart.clear.addEventListener("click", () => clear(chart));
  chart.undefined.addEventListener("click", () => chart.send("undefined", true));
}

// ---- pointer

function press(chart, event) {
  if (event.button !== 0) {
    return;
  }
  chart.svg.setPointerCapture(event.pointerId);
  chart.drag = { from: binAt(chart, event), x: event.clientX, moved: false };
}

function move(chart, event) {
  const bin = binAt(chart, event);
  const { drag } = chart;
  if (!drag) {
    hover(chart, bin);
    return;
  }
  drag.moved ||= Math.abs(event.clientX - drag.x) >= DRAG_FROM;
  if (drag.moved) {
    chart.brushed = span(drag.from, bin);
    draw(chart);
  }
}

function release(chart, event) {
  const { drag, brushed } = chart;
  abandon(chart);
  if (drag?.moved) {
    select(chart, brushed);
  } else if (drag) {
    click(chart, drag.from, event.shiftKey);
  }
}

function abandon(chart) {
  chart.drag = null;
  chart.brushed = null;
}

function click(chart, bin, extend) {
  const { selected } = chart;
  if (extend && selected) {
    select(chart, span(bin, ...selected));
  } else if (selected && selected[0] === bin && selected[1] === bin) {
    select(chart, null);
  } else {
    select(chart, [bin, bin]);
  }
}

function hover(chart, bin) {
  chart.hovered = bin;
  read(chart);
}

function binAt(chart, event) {
  const box = chart.svg.getBoundingClientRect();
  const share = (event.clientX - box.left - MARGIN.side) / (box.width - 2 * MARGIN.side);
  const bins = chart.data.names.length;
  return clamp(Math.floor(share * bins), 0, bins - 1);
}

// ---- keyboard

function type(chart, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    take(event);
    stepCursor(chart, step, event.shiftKey);
  } else if (event.key === "Home" || event.key === "End") {
    take(event);
    stepCursor(chart, event.key === "Home" ? -Infinity : Infinity, event.shiftKey);
  } else if ((event.key === "Enter" || event.key === " ") && chart.cursor >= 0) {
    take(event);
    click(chart, chart.cursor, event.shiftKey);
  } else if (event.key === "Escape" && chart.selected) {
    take(event);
    clear(chart);
  }
}

/** Move the cursor; with shift, stretch a selection that is sent when shift is let go: one answer for one gesture. */
function stepCursor(chart, step, extend) {
  const from = Math.max(chart.cursor, 0);
  chart.cursor = chart.cursor < 0 && step === 1 ? 0 : clamp(chart.cursor + step, 0, chart.data.names.length - 1);
  if (extend) {
    chart.anchor ??= from;
    chart.brushed = span(chart.anchor, chart.cursor);
  }
  draw(chart);
  chart.live.textContent = extend ? sentence(chart, chart.brushed) : sentence(chart, [chart.cursor, chart.cursor]);
}

function commit(chart) {
  const { anchor, brushed } = chart;
  chart.anchor = null;
  if (anchor !== null) {
    chart.brushed = null;
    select(chart, brushed);
  }
}

// ---- selection

function span(...bins) {
  return [Math.min(...bins), Math.max(...bins)];
}

/** Show a selection at once and tell Python, whose next data have the last word. */
function select(chart, selected) {
  if (!selected && !chart.selected) {
    return;
  }
  chart.selected = selected;
  draw(chart);
  chart.sent.push(selected);
  clearTimeout(chart.timer);
  chart.timer = setTimeout(() => giveUp(chart), PATIENCE);
  const [first, last] = selected ?? [null, null];
  chart.send("select", { first, last });
}

/** Take over a selection from Python, unless a gesture of this chart is not answered yet: then this is an older one. */
function receive(chart, selected) {
  chart.received = selected;
  const answered = chart.sent.findLastIndex((sent) => String(sent) === String(selected));
  chart.sent.splice(0, answered + 1);
  if (chart.sent.length === 0) {
    clearTimeout(chart.timer);
    chart.selected = selected;
  }
}

/** Wait no longer for an answer: what Python said last counts. */
function giveUp(chart) {
  chart.sent = [];
  chart.selected = chart.received;
  draw(chart);
}

function clear(chart) {
  chart.svg.focus({ preventScroll: true }); // the button goes away with the selection
  select(chart, null);
}

// ---- words

function describe(chart) {
  const { data } = chart;
  chart.title.textContent = data.title;
  chart.title.title = data.title;
  chart.help.hidden = !data.help;
  chart.help.setAttribute("aria-label", `About ${data.title}`);
  chart.tip.textContent = data.help ?? "";
  chart.undefined.hidden = !data.undefined;
  chart.undefined.textContent = data.undefined_text;
  chart.undefined.setAttribute("aria-pressed", String(data.undefined_selected));
  const levels = data.levels.filter(drawable).map((level) => `${level.text}.`);
  chart.svg.setAttribute(
    "aria-label",
    `Histogram of ${data.title}. Arrow keys move between bars, Enter selects one, Shift and arrows select several, ` +
      `Escape clears. ${levels.join(" ")}`,
  );
}

function read(chart) {
  const shown = chart.brushed ?? (chart.hovered === null ? chart.selected : [chart.hovered, chart.hovered]);
  const cursor = chart.cursor >= 0 && chart.svg.matches(":focus-visible") ? [chart.cursor, chart.cursor] : null;
  chart.line.textContent = sentence(chart, shown ?? cursor ?? [0, chart.data.names.length - 1], !shown && !cursor);
  chart.line.title = chart.line.textContent;
  chart.clear.hidden = !chart.selected;
}

/** Return a line such as "0.40 to 0.44: 74 of 617 records, 12 wrong" on the bins from first to last. */
function sentence(chart, [first, last], everything = false) {
  const { data } = chart;
  const total = (series) => data[series].slice(first, last + 1).reduce((sum, value) => sum + value, 0);
  const left = SERIES.reduce((sum, series) => sum + total(series), 0);
  const where = everything ? "" : `${name(data, first, last)}: `;
  const records = `${where}${count.format(left)} of ${count.format(total("all"))} records`;
  return `${records}, ${count.format(total("wrong"))} wrong`;
}

/** Say whether bars stand for categories, which are set apart; bins of numbers adjoin. */
function hasCategories(data) {
  return !data.edges;
}

function name(data, first, last) {
  if (first === last) {
    return data.names[first];
  }
  const [from, to] = hasCategories(data)
    ? [data.names[first], data.names[last]]
    : [data.edges[first], data.edges[last + 1]];
  return `${from} to ${to}`;
}

// ---- drawing

function draw(chart) {
  const { svg, data } = chart;
  const width = svg.clientWidth;
  if (!width) {
    return; // not shown yet: the resize observer calls again
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.replaceChildren(hatch());
  const bins = data.names.length;
  const unit = (width - 2 * MARGIN.side) / bins;
  const gap = hasCategories(data) ? Math.min(8, unit / 5) : Math.min(1, unit / 5);
  const plot = { width, bins, unit, gap, bottom: HEIGHT - MARGIN.bottom, x: (place) => MARGIN.side + place * unit };
  const names = placeLevelNames(svg, data.levels.filter(drawable), plot);
  plot.top = 4 + names.rows * MARGIN.labelRow;
  drawBars(chart, plot);
  drawTicks(svg, data, plot);
  drawLevels(svg, data.levels, plot, names);
  drawFrame(svg, "brush", chart.brushed ?? chart.selected, plot);
  drawFrame(svg, "cursor", chart.cursor >= 0 ? [chart.cursor, chart.cursor] : null, plot);
  read(chart);
}

/** Return the pattern of wrong records, which therefore do not depend on their colour. */
function hatch() {
  const pattern = vector("pattern", {
    id: "hatch",
    width: 5,
    height: 5,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  });
  pattern.append(
    vector("rect", { class: "hatch-ground", width: 5, height: 5 }),
    vector("line", { class: "hatch-line", x1: 0, x2: 0, y1: 0, y2: 5 }),
  );
  const definitions = vector("defs");
  definitions.append(pattern);
  return definitions;
}

function drawBars(chart, plot) {
  const { svg, data } = chart;
  const stacked = data.all.map((_, bin) => SERIES.reduce((sum, series) => sum + data[series][bin], 0));
  const tallest = Math.max(...stacked, 0);
  const selected = chart.brushed ?? chart.selected;
  for (let bin = 0; bin < plot.bins; bin += 1) {
    const fade = selected && (bin < selected[0] || bin > selected[1]) ? " outside" : "";
    drawBar(svg, plot, "all", bin, 0, height(plot, data.all[bin], Math.max(...data.all)));
    let base = 0;
    for (const series of SERIES) {
      const tall = height(plot, data[series][bin], tallest);
      drawBar(svg, plot, series + fade, bin, base, tall);
      base += tall;
    }
  }
  svg.append(vector("line", { class: "axis", x1: 0, x2: plot.width, y1: plot.bottom, y2: plot.bottom }));
  chart.tallest.textContent = `tallest ${count.format(tallest)}`;
}

/** Return a bar's height in pixels: at least one where there is anything, so that no record goes unseen. */
function height(plot, value, tallest) {
  return value ? Math.max(1, (value / tallest) * (plot.bottom - plot.top)) : 0;
}

function drawBar(svg, plot, kind, bin, base, tall) {
  if (!tall) {
    return;
  }
  const x = plot.x(bin) + plot.gap / 2;
  const y = plot.bottom - base - tall;
  svg.append(vector("rect", { class: kind, x, y, width: plot.unit - plot.gap, height: tall }));
}

/** Draw tick texts inside the chart, leaving out those that would touch the one before. */
function drawTicks(svg, data, plot) {
  let end = -Infinity;
  for (const [place, text] of data.ticks) {
    const tick = vector("text", { y: HEIGHT - 5 }, text);
    svg.append(tick);
    if (hasCategories(data)) {
      shorten(tick, plot.unit - 6);
    }
    const [x, right] = centred(tick, plot.x(place), plot.width);
    tick.setAttribute("x", x);
    if (x < end + 6) {
      tick.remove();
    } else {
      end = right;
    }
  }
}

/** Cut a text with an ellipsis to a length in pixels. */
function shorten(text, length) {
  let words = text.textContent;
  while (words && lengthOf(text) > length) {
    words = words.slice(0, -1).trimEnd();
    text.textContent = `${words}…`;
  }
}

/** Return a text's length in pixels, measured once: asking the browser makes it lay out the page there and then. */
function lengthOf(text) {
  const key = `${text.getAttribute("class")} ${text.textContent}`;
  const length = lengths.get(key) ?? text.getComputedTextLength();
  if (document.fonts.status === "loaded") {
    lengths.set(key, length);
  }
  return length;
}

/** Return the left and the right end of a text that is centred at x as far as the chart's width allows. */
function centred(text, x, width) {
  const length = lengthOf(text);
  const left = clamp(x - length / 2, 0, Math.max(0, width - length));
  return [left, left + length];
}

function drawable(level) {
  return level.at !== null;
}

/** Place the names of chance levels in as few rows as keep them apart; return where, and the number of rows. */
function placeLevelNames(svg, levels, plot) {
  const ends = []; // for each row, where its last name ends
  const places = new Map();
  for (const level of [...levels].sort((one, other) => one.at - other.at)) {
    const text = vector("text", { class: "level-name" }, level.name);
    svg.append(text);
    const [x, right] = centred(text, plot.x(level.at), plot.width);
    const free = ends.findIndex((end) => x > end + 5);
    const row = free < 0 ? ends.length : free;
    ends[row] = right;
    text.setAttribute("x", x);
    text.setAttribute("y", 10 + row * MARGIN.labelRow);
    places.set(level, { text, row });
  }
  return { places, rows: ends.length };
}

function drawLevels(svg, levels, plot, { places }) {
  levels.forEach((level, index) => {
    if (!drawable(level)) {
      return; // but its dash stays its own
    }
    const x = plot.x(level.at);
    const top = (places.get(level).row + 1) * MARGIN.labelRow;
    const line = { x1: x, x2: x, y1: top, y2: plot.bottom };
    const dash = { "stroke-dasharray": DASHES[index % DASHES.length] };
    svg.append(vector("line", { ...line, class: "level-ground" }), vector("line", { ...line, ...dash, class: "level" }));
  });
  for (const { text } of places.values()) {
    svg.append(text); // above every line
  }
}

function drawFrame(svg, kind, bins, plot) {
  if (!bins) {
    return;
  }
  const [first, last] = bins;
  const width = (last - first + 1) * plot.unit;
  svg.append(
    vector("rect", { class: kind, x: plot.x(first), y: plot.top - 2, width, height: plot.bottom - plot.top + 2 }),
  );
}
