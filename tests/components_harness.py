"""A page with every component on fixed data of the sample runs, which writes each trigger it got below them.

"matrix keys" in the field at its end draws these; "hostile" puts markup into every text, "many" makes a large matrix,
"bare" leaves the gallery empty, "wide" gives charts the whole width. Whatever is written there begins anew.
"""

from __future__ import annotations

import base64

import numpy as np
import streamlit as st  # noqa: TID251

from xai_core.ui import components

EVIL = "<img src=x onerror=alert(1)>"
NAMES = ("keys", "histogram", "matrix", "gallery", "viewer")
FLAGS = ("hostile", "many", "bare", "wide")


def main() -> None:
    st.set_page_config(layout="wide")
    asked = st.session_state.get("asked", "").split()
    if asked:
        draw([name for name in NAMES if name in asked], {flag: flag in asked for flag in FLAGS})
    st.text_input("Components", key="asked", on_change=begin_anew)


def begin_anew() -> None:
    for name in set(st.session_state) - {"asked"}:
        del st.session_state[name]


def draw(names: list[str], flags: dict) -> None:
    st.session_state.setdefault("log", [])
    for name in names:
        globals()[f"show_{name}"](flags)
    st.text_input("Note", key="note")
    st.slider("Level", 0, 10, key="level")
    st.button("Draw again")
    if st.button("Dialog"):
        dialog()
    st.code("\n".join(st.session_state.log) or "nothing yet")


@st.dialog("A dialog")
def dialog() -> None:
    st.write("In front of the page")


def note(*words) -> None:
    st.session_state.log.append(" ".join(map(repr, words)))


def show_keys(flags: dict) -> None:
    if not st.toggle("Keyboard", True):
        return
    components.keys(
        {"ArrowRight": "next", "ArrowLeft": "previous", "n": "next", "1": "right_reasons"},
        key="keys",
        on_press=lambda name: note("press", name),
    )


def show_histogram(flags: dict) -> None:
    columns = [st.container()] if flags["wide"] else st.columns(4)
    for place, column in enumerate(columns):
        with column:
            (show_scores if place % 2 == 0 else show_categories)(f"histogram{place}", flags)


def show_scores(key: str, flags: dict) -> None:
    rng = np.random.default_rng(4)
    everything = np.histogram(rng.beta(2, 3, 617), 25, (0, 1))[0]
    wrong = everything // 7
    unknown = everything // 12
    data = {
        "title": EVIL if flags["hostile"] else "Explanation coverage",
        "help": "How much of the explanation lies inside the region drawn by a human.",
        "names": [f"{k / 25:.2f} to {(k + 1) / 25:.2f}" for k in range(25)],
        "edges": [f"{k / 25:.2f}" for k in range(26)],
        "ticks": [[25 * share, f"{share:.2f}"] for share in (0, 0.25, 0.5, 0.75, 1)],
        "all": everything,
        "right": everything // 2 - wrong,
        "wrong": wrong,
        "unknown": unknown,
        "selected": st.session_state.get(f"{key} bins"),
        "levels": [
            {"name": "random", "at": np.float64(6.1), "text": "A random region of this size reaches 0.24"},
            {"name": "centre", "at": 7.4, "text": "A disc in the centre reaches 0.30"},
            {"name": "other", "at": 8.0, "text": "The region of another image reaches 0.32"},
        ],
        "undefined": 30,
        "undefined_text": "30 without a score",
        "undefined_selected": False,
    }
    draw_histogram(data, key)


def show_categories(key: str, flags: dict) -> None:
    names = [EVIL if flags["hostile"] else "Human aligned", "Sufficient subset", "Context dependent", "Confuser"]
    data = {
        "title": "Pattern",
        "help": "",
        "names": names,
        "ticks": [[k + 0.5, name] for k, name in enumerate(names)],
        "all": [300, 120, 60, 1],
        "right": [200, 80, 0, 0],
        "wrong": [0, 0, 40, 1],
        "unknown": [0, 0, 0, 0],
        "selected": st.session_state.get(f"{key} bins"),
        "levels": [],
        "undefined": 0,
        "undefined_text": "",
        "undefined_selected": False,
    }
    draw_histogram(data, key)


def draw_histogram(data: dict, key: str) -> None:
    def on_select(first, last) -> None:
        note("select", first, last)
        st.session_state[f"{key} bins"] = None if first is None else [first, last]

    components.histogram(data, key=key, on_select=on_select, on_undefined=lambda: note("undefined"))


def show_matrix(flags: dict) -> None:
    labels = ["benign", EVIL if flags["hostile"] else "malignant"]
    if flags["many"]:
        labels = [
            "sports car, sport car", "convertible", "minivan", "fire engine, fire truck", "garbage truck, dustcart",
            "tow truck, tow car, wrecker", "trailer truck, tractor trailer", "ambulance", "beach wagon, station wagon",
            "Model T", "racer, race car, racing car", "moving van",
        ]  # fmt: skip
    count = np.random.default_rng(1).integers(0, 60, (len(labels), len(labels)))
    count[0, -1] = 0
    means = np.linspace(0.02, 0.98, len(labels) ** 2).reshape(count.shape)
    chosen = st.session_state.get("cell", (None, None))

    def on_cell(label, called) -> None:
        note("cell", label, called)
        st.session_state.cell = (label, called)

    cells = [
        [{"count": n, "mean": mean if n else np.nan} for n, mean in zip(*rows, strict=True)]
        for rows in zip(count, means, strict=True)
    ]
    data = {
        "labels": labels,
        "called": labels,
        "cells": cells,
        "score": "Explanation coverage",
        "selected": {"labels": [chosen[0]] if chosen[0] else [], "called": [chosen[1]] if chosen[1] else []},
        "left_out": "2 records without a label are left out.",
    }
    with st.columns([2, 3])[0]:
        components.matrix(data, key="matrix", on_cell=on_cell)


def show_gallery(flags: dict) -> None:
    st.button("Turn", on_click=lambda: note("turn"))
    items = [] if flags["bare"] else tiles()
    if st.session_state.log[-1:] == ["'turn'"]:
        items = [item | {"verdict": "turned"} for item in items[::2]]
    if flags["hostile"]:
        items = [item | {"label": EVIL, "alt": EVIL, "verdict": EVIL, "score": EVIL} for item in items]

    def on_open(sample_id: str) -> None:
        note("open", sample_id)
        st.session_state.opened = sample_id

    if st.toggle("Gallery", True):
        components.gallery(items, key="gallery", on_open=on_open, selected=st.session_state.get("opened"))


def show_viewer(flags: dict) -> None:
    number = st.session_state.get("case", 0)
    st.button("Next case", on_click=lambda: st.session_state.update(case=number + 1))
    data = case(number)
    if flags["hostile"]:
        data["panels"] = [panel | {"title": EVIL, "note": EVIL, "unit": EVIL} for panel in data["panels"]]
        data["alt"] = EVIL
    components.viewer(data, key="viewer")


@st.cache_data
def tiles() -> list[dict]:
    """Return 40 tiles of the sample run with its real pictures, one of them tall and one wide."""
    from xai_core.runs import open_run
    from xai_core.runs.summary import table_of

    run = open_run("sample_data/runs/lime/predicted")
    rule = run.settings["region_rule"]
    table = table_of(run, rule, 0.5).head(40)
    verdicts = ["", "", "✓ right reasons", "", "✗ wrong reasons", ""]
    return [
        thumbnail(run, rule, record, place)
        | {
            "label": record["label"] if place != 5 else "",
            "called": record["called"],
            "outcome": "unknown" if place == 5 else "right" if record["correct"] else "wrong",
            "score": f"EC {record['explanation_coverage']:.2f}".replace("EC nan", "no score"),
            "verdict": verdicts[place % len(verdicts)],
        }
        for place, record in enumerate(table.to_dict("records"))
    ]


def thumbnail(run, rule: str, record: dict, place: int) -> dict:
    image, truth, region = pictures(run, rule, record)
    cut = {3: np.s_[:, 50:130], 8: np.s_[40:100, :]}.get(place, np.s_[:, :])
    image, truth, region = image[cut], truth[cut], region[cut]
    return {
        "id": record["sample_id"],
        "src": jpeg(image),
        "width": image.shape[1],
        "height": image.shape[0],
        "truth": path_of(truth),
        "explanation": path_of(region),
        "alt": f"Image {record['sample_id']}",
    }


def pictures(run, rule: str, record: dict):
    from xai_core.datasets import read_image
    from xai_core.geometry import Frame
    from xai_core.runs import rows
    from xai_core.runs.scoring import regions_of

    row = run.map_of(record["sample_id"])
    image = read_image((run.folder / run.settings["dataset_root"] / record["image"]).resolve())
    frame = run.settings["frame"]
    placement = Frame(**frame | {"size": tuple(frame["size"])}).place(image.shape[:2])
    truth = placement.mask_on_original(rows.decode_region(row["region"], run.frame_size))
    region = placement.mask_on_original(regions_of(run, [row], rule)[0])
    return image, truth, region


def jpeg(image: np.ndarray) -> str:
    import cv2

    data = cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def path_of(mask: np.ndarray) -> str:
    import cv2

    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0]
    return "".join("M" + "L".join(f"{x + 0.5} {y + 0.5}" for x, y in line[:, 0]) + "Z" for line in contours)


@st.cache_data
def case(number: int) -> dict:
    """Return a case of the sample runs: Grad-CAM, LIME, a padded frame with planted values, and no heatmap."""
    from xai_core.runs import open_run
    from xai_core.runs.scoring import heatmaps_of
    from xai_core.runs.summary import table_of

    cam, lime = (open_run(f"sample_data/runs/{name}/malignant") for name in ("grad_cam", "lime"))
    record = table_of(lime, lime.settings["region_rule"], 0.5).iloc[number].to_dict()
    image, truth, region = pictures(lime, lime.settings["region_rule"], record)
    row = cam.map_of(record["sample_id"])
    size = (row["heatmap_height"], row["heatmap_width"])
    heat = np.frombuffer(row["heatmap"], "<f2").reshape(size).astype(float) * row["heatmap_scale"]
    signed = heatmaps_of(lime, [lime.map_of(record["sample_id"])])[0]
    height, width = image.shape[:2]
    whole = {"x": 0, "y": 0, "width": width, "height": height}
    square = {"x": 0, "y": (height - width) / 2, "width": width, "height": width}
    inner = {"x": 24, "y": 12, "width": 120, "height": 120}
    panels = [
        panel("cam", "Grad-CAM: malignant", heat, whole, smooth=True, explanation=path_of(region)),
        panel("lime", "LIME: malignant", signed, whole, signed=True, explanation=path_of(region), unit="logit"),
        panel("square", "Padded frame", np.arange(8.0).reshape(2, 4) - 2, square, signed=True, note="2 by 4 cells"),
        panel("inner", "Central crop", np.arange(4.0).reshape(2, 2), inner, note="Cells of 60 by 60 pixels"),
        panel("none", "LIME: benign", None, whole, note="No heatmap: the explainer failed on this image."),
    ]
    return {
        "id": record["sample_id"],
        "image": jpeg(image),
        "alt": f"Image {record['sample_id']}",
        "width": width,
        "height": height,
        "truth": path_of(truth),
        "panels": panels,
    }


def panel(key: str, title: str, values: np.ndarray | None, frame: dict, **more) -> dict:
    heat = None
    limit = 1.0
    if values is not None:
        limit = float(np.abs(values).max())
        numbers = np.round(values / limit * 32767).astype("<i2")
        heat = {
            "width": values.shape[1],
            "height": values.shape[0],
            "scale": limit,
            "data": base64.b64encode(numbers.tobytes()).decode(),
        }
    defaults = {"note": "", "signed": False, "smooth": False, "unit": "", "explanation": ""}
    return {"key": key, "title": title, "limit": limit, "frame": frame, "heat": heat} | defaults | more


main()
