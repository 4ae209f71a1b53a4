// Which outlines are shown is a habit of the reader's: it outlives the gallery of one page.
const shown = { truth: true, explanation: true };

const WORDS = { right: "right", wrong: "wrong", unknown: "no label" };
// In a square of 14: a tick, a cross, a question mark
const MARKS = {
  right: "M4 7.3 6.2 9.6 10.2 4.8",
  wrong: "M4.6 4.6 9.4 9.4M9.4 4.6 4.6 9.4",
  unknown: "M5.2 5.5a1.8 1.8 0 1 1 2.6 1.7Q7 7.6 7 8.4M7 10.6v.1",
};

const galleries = new WeakMap();

export default function ({ data: bytes, parentElement, setTriggerValue }) {
  const data = unpack(bytes);
  const known = galleries.get(parentElement);
  const gallery = known ?? create(parentElement);
  const moved = !known || gallery.selected !== data.selected;
  const hadFocus = parentElement.activeElement !== null && parentElement.activeElement.matches(".tile");
  gallery.send = setTriggerValue;
  gallery.selected = data.selected;
  drawBar(parentElement, data.legend);
  drawTiles(gallery, data.items);
  makeReachable(gallery);
  const lost = hadFocus && parentElement.activeElement === null;
  if (lost || (moved && (hadFocus || nothingHasFocus()))) {
    returnFocus(gallery);
  }
}

function create(root) {
  const gallery = { root, tiles: root.querySelector(".tiles"), empty: root.querySelector(".empty"), byId: new Map() };
  galleries.set(root, gallery);
  for (const kind of ["truth", "explanation"]) {
    const box = root.querySelector(`[name=${kind}]`);
    root.querySelector(`.swatch-of-${kind}`).append(swatch(kind));
    box.checked = shown[kind];
    box.addEventListener("change", () => {
      shown[kind] = box.checked;
      showOutlines(gallery);
    });
  }
  showOutlines(gallery);
  gallery.tiles.addEventListener("click", (event) => open(gallery, event.target.closest(".tile")));
  gallery.tiles.addEventListener("keydown", (event) => type(gallery, event));
  gallery.tiles.addEventListener("focusin", (event) => rove(gallery, event.target.closest(".tile")));
  return gallery;
}

function swatch(kind) {
  const picture = vector("svg", { class: "swatch", viewBox: "0 0 24 8", "aria-hidden": "true" });
  picture.append(outline(kind, "M1 4H23"));
  return picture;
}

function showOutlines(gallery) {
  gallery.tiles.classList.toggle("without-truth", !shown.truth);
  gallery.tiles.classList.toggle("without-explanation", !shown.explanation);
}

function drawBar(root, [truth, explanation]) {
  root.querySelector(".truth-words").textContent = truth;
  root.querySelector(".explanation-words").textContent = explanation;
}

// ---- gestures

function open(gallery, tile) {
  if (tile) {
    gallery.send("open", { id: tile.dataset.id });
  }
}

function type(gallery, event) {
  const tile = event.target.closest(".tile");
  if (event.key === "Enter" || event.key === " ") {
    take(event);
    open(gallery, tile);
    return;
  }
  const tiles = [...gallery.tiles.children];
  const place = tiles.indexOf(tile);
  const across = getComputedStyle(gallery.tiles).gridTemplateColumns.split(" ").length;
  const next = {
    ArrowLeft: place - 1,
    ArrowRight: place + 1,
    ArrowUp: place - across,
    ArrowDown: place + across,
    Home: 0,
    End: tiles.length - 1,
  }[event.key];
  if (next === undefined) {
    return;
  }
  take(event);
  tiles[next]?.focus();
}

// ---- focus: Tab reaches one tile, arrows reach the others

function rove(gallery, tile) {
  gallery.tiles.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  tile.setAttribute("tabindex", "0");
}

function makeReachable(gallery) {
  const tile = gallery.byId.get(gallery.selected)?.tile;
  const reachable = gallery.tiles.querySelector("[tabindex='0']");
  const first = tile ?? reachable ?? gallery.tiles.firstElementChild;
  if (first) {
    rove(gallery, first);
  }
}

function nothingHasFocus() {
  return document.activeElement === null || document.activeElement === document.body;
}

/** Put the focus back on the record that was open, as when its case view has been closed. */
function returnFocus(gallery) {
  const tile = gallery.byId.get(gallery.selected)?.tile;
  if (tile) {
    tile.scrollIntoView({ block: "nearest" });
    tile.focus({ preventScroll: true });
  }
}

// ---- drawing

/** Show these items in this order; a record that stays keeps its node, so that nothing flickers or is decoded twice. */
function drawTiles(gallery, items) {
  const { tiles, byId } = gallery;
  gallery.empty.hidden = items.length > 0;
  tiles.hidden = items.length === 0;
  tiles.style.setProperty("--shape", commonShape(items));
  const wanted = new Set(items.map((item) => item.id));
  for (const [id, { tile }] of byId) {
    if (!wanted.has(id)) {
      tile.remove();
      byId.delete(id);
    }
  }
  items.forEach((item, place) => {
    const tile = draw(gallery, item);
    tile.setAttribute("aria-selected", String(item.id === gallery.selected));
    if (tiles.children[place] !== tile) {
      tiles.insertBefore(tile, tiles.children[place] ?? null);
    }
  });
}

/** Return the shape (width / height) of the pictures' box: that of the middle item, within limits. */
function commonShape(items) {
  const shapes = items.map((item) => item.width / item.height).sort((one, other) => one - other);
  return clamp(shapes[Math.floor(shapes.length / 2)] ?? 1, 0.8, 1.4);
}

function draw(gallery, item) {
  const content = JSON.stringify(item);
  const known = gallery.byId.get(item.id);
  if (known?.content === content) {
    return known.tile;
  }
  const tile = known?.tile ?? newTile(item.id);
  fill(tile, item);
  gallery.byId.set(item.id, { tile, content });
  return tile;
}

function newTile(id) {
  const tile = element("div", "tile");
  tile.dataset.id = id;
  tile.tabIndex = -1;
  tile.setAttribute("role", "option");
  const image = element("img");
  image.decoding = "async";
  image.draggable = false;
  const picture = element("div", "picture");
  picture.append(image);
  tile.append(picture, element("div", "caption"));
  return tile;
}

function fill(tile, item) {
  const [picture, caption] = tile.children;
  const image = picture.querySelector("img");
  image.alt = item.alt;
  if (image.getAttribute("src") !== item.src) {
    image.src = item.src;
  }
  const lines = vector("svg", { viewBox: `0 0 ${item.width} ${item.height}`, "aria-hidden": "true" });
  lines.append(outline("truth", item.truth), outline("explanation", item.explanation));
  picture.replaceChildren(image, lines, ...(item.verdict ? [element("span", "verdict", item.verdict)] : []));
  caption.replaceChildren(classes(item), facts(item));
}

function classes(item) {
  const line = element("div", "classes");
  const label = item.label || "no label";
  line.title = `label ${label}, called ${item.called || "nothing"}`;
  const arrow = element("span", "arrow", "→");
  line.append(element("span", "label", label), arrow, element("span", "called", item.called || "–"));
  return line;
}

function facts(item) {
  const line = element("div", "facts");
  const outcome = element("span", "outcome");
  outcome.append(icon(item.outcome), element("span", "", WORDS[item.outcome]));
  line.append(outcome, element("span", "score", item.score));
  return line;
}

/** Return a mark with a shape of its own: right is round, wrong square. */
function icon(outcome) {
  const picture = vector("svg", { class: `icon ${outcome}`, viewBox: "0 0 14 14", "aria-hidden": "true" });
  const corner = outcome === "wrong" ? 2 : 7;
  picture.append(vector("rect", { class: "ground", width: 14, height: 14, rx: corner }));
  picture.append(vector("path", { class: "mark", d: MARKS[outcome] }));
  return picture;
}
