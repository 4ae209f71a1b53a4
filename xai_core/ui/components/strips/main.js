// Rows of small whole pictures, each with an outline, a map, or both on it.
const OPACITY = 0.62;

const views = new WeakMap();

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const data = unpack(bytes);
  const view = views.get(parentElement) ?? create(parentElement);
  view.send = setTriggerValue;
  if (view.data === data) {
    return; // only the theme has changed, which CSS follows by itself
  }
  const focused = placeOf(parentElement.activeElement?.closest(".tile"));
  view.data = data;
  view.rows.style.setProperty("--across", Math.max(1, ...data.rows.map((row) => row.tiles.length)));
  view.rows.replaceChildren(...data.rows.map((row, place) => drawRow(data, row, place)));
  drawScale(view.scale, data.scale);
  reach(view, tileAt(view, focused) ?? view.rows.querySelector("button.tile"));
  tileAt(view, focused)?.focus({ preventScroll: true });
}

function create(root) {
  const view = { rows: root.querySelector(".rows"), scale: root.querySelector(".scale"), data: null, send: null };
  views.set(root, view);
  view.rows.addEventListener("click", (event) => {
    const tile = event.target.closest("button.tile");
    if (tile) {
      view.send("open", { id: tile.dataset.id });
    }
  });
  view.rows.addEventListener("keydown", (event) => move(view, event));
  view.rows.addEventListener("focusin", (event) => reach(view, event.target.closest("button.tile")));
  return view;
}

// ---- keyboard: Tab reaches one tile, arrows reach the others

function placeOf(tile) {
  return tile ? [Number(tile.dataset.row), Number(tile.dataset.column)] : null;
}

function tileAt(view, place) {
  return place && view.rows.querySelector(`button.tile[data-row="${place[0]}"][data-column="${place[1]}"]`);
}

function reach(view, tile) {
  if (tile) {
    view.rows.querySelectorAll("button.tile[tabindex='0']").forEach((other) => other.setAttribute("tabindex", "-1"));
    tile.setAttribute("tabindex", "0");
  }
}

function move(view, event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  const place = placeOf(event.target.closest("button.tile"));
  if (step && place) {
    take(event);
    tileAt(view, [place[0] + step[0], place[1] + step[1]])?.focus();
  }
}

// ---- drawing

function drawRow(data, row, place) {
  const section = element("section", "row");
  section.setAttribute("aria-label", [row.title, row.badge].filter(Boolean).join(", "));
  const heading = element("div", "heading");
  heading.append(element("span", "title", row.title));
  if (row.badge) {
    heading.append(element("span", row.claimed ? "badge" : "badge quiet", row.badge));
  }
  heading.append(element("span", "text", row.text));
  const tiles = element("div", "tiles");
  tiles.append(...row.tiles.map((tile, column) => drawTile(data, tile, place, column)));
  section.append(heading, tiles);
  return section;
}

function drawTile(data, tile, row, column) {
  const node = element(data.opens ? "button" : "figure", tile.selected ? "tile selected" : "tile");
  Object.assign(node.dataset, { id: tile.id, row, column });
  if (data.opens) {
    node.tabIndex = -1;
    node.type = "button";
  }
  const picture = element("div", "picture");
  picture.style.setProperty("--shape", clamp(data.shape, 0.6, 1.7));
  picture.append(drawWorld(tile));
  node.append(picture, element("div", "caption", tile.caption), element("div", "note", tile.note));
  return node;
}

function drawWorld(tile) {
  const box = { x: 0, y: 0, width: tile.width, height: tile.height };
  const world = vector("svg", { class: "world", viewBox: `0 0 ${tile.width} ${tile.height}`, role: "img" });
  world.setAttribute("aria-label", tile.alt);
  const image = vector("image", { ...box, href: tile.src, preserveAspectRatio: "none" });
  if (tile.heat) {
    image.setAttribute("style", "filter: grayscale(1)");
  }
  world.append(image);
  if (tile.heat && tile.frame) {
    const map = vector("foreignObject", { ...tile.frame, opacity: OPACITY });
    map.append(paint(tile.heat));
    world.append(map);
  }
  if (!tile.heat) {
    world.append(vector("path", { class: "fill", d: tile.outline }));
  }
  world.append(outline("truth", tile.outline));
  return world;
}

/** Return a canvas of a map, a pixel for each place; values are 0 to 255 along the scale. */
function paint(heat) {
  const canvas = element("canvas");
  canvas.width = heat[0].length;
  canvas.height = heat.length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const table = colourTable(false);
  heat.flat().forEach((value, k) => {
    pixels.data.set(table[value], 4 * k);
    pixels.data[4 * k + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function drawScale(node, scale) {
  node.hidden = !scale;
  if (scale) {
    node.querySelector(".ramp").style.background = `linear-gradient(to right, ${INFERNO.join(", ")})`;
    node.querySelector(".high").textContent = scale.high;
    node.querySelector(".unit").textContent = scale.unit;
  }
}
