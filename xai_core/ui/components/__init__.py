"""Six views drawn in the browser: histogram, matrix, gallery, viewer, strips of small pictures, and the keyboard.

Each is HTML, CSS and one JavaScript module in a folder of its own, mounted through `st.components.v2`. Python owns all
state: it sends data, and a component sends one-shot *triggers* back, which reach Python as calls of `on_...`. A
callback runs before the page's script, so it may write the keys of widgets in ``st.session_state``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

HERE = Path(__file__).parent


def histogram(
    data: Mapping[str, Any], *, key: str, on_select: Callable[..., None], on_undefined: Callable[[], None]
) -> None:
    """Draw a histogram in which bars are selected by dragging, clicking or from the keyboard.

    Parameters
    ----------
    data : mapping
        ``title``, ``help`` : str.
        ``names`` : n texts, one for each bin ("0.40 to 0.44", or a category).
        ``edges`` : n + 1 texts, name ranges by their ends ("0.40 to 0.60"); left out for categories.
        ``ticks`` : pairs (place, text); places are in bin units, 0 to n.
        ``all`` : n counts of every record (grey, on a scale of its own).
        ``right``, ``wrong``, ``unknown`` : n counts each of the records that pass the other filters (stacked).
        ``selected`` : (first, last) bin, both included, or None.
        ``levels`` : chance levels, each ``name`` (short, drawn), ``at`` (in bin units; None is not drawn) and
        ``text`` (said in full).
        ``undefined`` : int, ``undefined_text`` : str, ``undefined_selected`` : bool; the button below the chart,
        which is not drawn at 0.
    key : str
        Unique on the page.
    on_select : callable
        Called with the first and the last bin selected, or with (None, None) when the selection is cleared.
    on_undefined : callable
        Called without arguments when the button below the chart is pressed.
    """
    calls = {
        "select": lambda value: on_select(value["first"], value["last"]),
        "undefined": lambda value: on_undefined(),
    }
    _mount("histogram", data, key, calls)


def matrix(data: Mapping[str, Any], *, key: str, on_cell: Callable[[str | None, str | None], None]) -> None:
    """Draw labels against calls as a table of buttons, coloured by a mean score.

    Parameters
    ----------
    data : mapping
        ``labels``, ``called`` : texts of the rows and of the columns.
        ``cells`` : for each row, for each column ``count`` : int and ``mean`` : float in [0, 1], or None.
        ``score`` : str, what the colour means.
        ``selected`` : ``labels`` and ``called``, the classes chosen at present (none chosen: empty).
        ``left_out`` : str, a line below the table ("" is not drawn).
    key : str
        Unique on the page.
    on_cell : callable
        Called with (label, called): both from a cell, one of them None from a head, both None when the button
        pressed was the selected one, which clears the selection.
    """
    _mount("matrix", data, key, {"cell": lambda value: on_cell(value["label"], value["called"])})


def gallery(
    items: Sequence[Mapping[str, Any]],
    *,
    key: str,
    on_open: Callable[[str], None],
    selected: str | None = None,
    legend: tuple[str, str] = ("Drawn by a human", "Explanation region"),
) -> None:
    """Draw up to 120 records as tiles.

    Parameters
    ----------
    items : sequence of mappings
        ``id`` : str; ``src`` : data URL of the picture; ``width``, ``height`` : of the picture, in pixels;
        ``truth``, ``explanation`` : SVG path in those pixels, "" where there is none; ``alt`` : str;
        ``label``, ``called`` : str, "" where unknown; ``outcome`` : "right", "wrong" or "unknown";
        ``score``, ``verdict`` : str, "" where there is none.
    key : str
        Unique on the page.
    on_open : callable
        Called with the id of the tile that was clicked, or chosen with Enter.
    selected : str, optional
        Id of the tile that is marked, and that takes the focus where the gallery had it or nothing has.
    legend : pair of str
        Words of the two switches, ground truth and explanation.
    """
    data = {"items": items, "selected": selected, "legend": legend}
    _mount("gallery", data, key, {"open": lambda value: on_open(value["id"])})


def viewer(data: Mapping[str, Any], *, key: str) -> None:
    """Draw one record: the plain image, then one panel for each explanation, zooming together.

    Parameters
    ----------
    data : mapping
        ``id`` : str; ``image`` : data URL; ``alt`` : str; ``width``, ``height`` : of the original image, in pixels;
        ``truth`` : SVG path in original pixels, "" where there is none; ``note`` : str, optional, about the image;
        ``panels`` : see below.

        A panel has ``key``, ``title``, ``note`` : str; ``signed`` : bool; ``smooth`` : bool, whether values between
        cells are interpolated; ``limit`` : float > 0, the value at the end of the colour scale; ``unit`` : str, what
        that value is, drawn below the colour bar; ``frame`` : ``x``, ``y``, ``width``, ``height`` of the model frame
        in original pixels, perhaps beyond the image; ``explanation`` : SVG path in original pixels; ``heat`` : None,
        or ``width`` and ``height`` in cells, ``scale`` : float and ``data``, base64 of little-endian int16, row by
        row: value = int16 / 32767 * scale.
    key : str
        Unique on the page.
    """
    _mount("viewer", data, key, {})


def strips(data: Mapping[str, Any], *, key: str, on_open: Callable[[str], None] | None = None) -> None:
    """Draw rows of small whole pictures, with outlines and maps on them.

    Parameters
    ----------
    data : mapping
        ``rows`` : each ``title``, ``text``, ``badge`` ("" is not drawn) : str; ``claimed`` : bool, whether the badge
        stands for something sure; ``tiles`` : see below. ``scale`` : None, or ``high`` and ``unit`` : str, the end
        of the colour scale of all maps.

        A tile has ``id``, ``src`` (data URL), ``alt``, ``caption``, ``note`` : str; ``width``, ``height`` of the
        picture; ``outline`` : SVG path in those pixels; ``heat`` : None, or rows of integers, 0 to 255 along the
        scale; ``frame`` : the map's rectangle ``x``, ``y``, ``width``, ``height``, perhaps beyond the picture, or
        None; ``selected`` : bool.
    key : str
        Unique on the page.
    on_open : callable, optional
        Called with the id of the tile that was pressed; without, tiles are no buttons.
    """
    shapes = sorted(tile["width"] / tile["height"] for row in data["rows"] for tile in row["tiles"])
    shown = {**data, "opens": on_open is not None, "shape": shapes[len(shapes) // 2] if shapes else 1.0}
    _mount("strips", shown, key, {"open": lambda value: on_open(value["id"])} if on_open else {})


def keys(bindings: Mapping[str, str], *, key: str, on_press: Callable[[str], None]) -> None:
    """Listen to the keyboard, wherever the focus is on the page.

    Keys are left alone in text fields, with Ctrl, Alt or Meta held, and behind an open dialog; arrows also in widgets
    that use them. Presses are answered one after the other and in order; a key held down adds none while one waits.

    Parameters
    ----------
    bindings : mapping from str to str
        From ``KeyboardEvent.key`` ("ArrowRight", "n") to the name that is handed to `on_press`. Letters work in
        either case.
    key : str
        Unique on the page.
    on_press : callable
        Called with the name of the key that was pressed.
    """
    answered = f"{key} answered"

    def press(value: dict) -> None:
        st.session_state[answered] = value["number"]
        on_press(value["name"])

    data = {"bindings": bindings, "answered": st.session_state.get(answered, 0)}
    _mount("keys", data, key, {"press": press})


def packed(data: Mapping[str, Any]) -> bytes:
    """Return data as JSON in bytes: Streamlit looks through a dictionary for tables and writes it out twice, not bytes.

    Raises
    ------
    TypeError
        Where there is a value that JSON has no word for.
    """
    try:
        text = json.dumps(data, default=plain, allow_nan=False)
    except ValueError:
        text = json.dumps(plain(data))
    return text.encode()


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy's numbers and arrays as Python's, NaN and infinities as None.

    Raises
    ------
    TypeError
        Where there is a value that JSON has no word for.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    raise TypeError(f"a component takes plain data, not {type(value).__name__}")


def _register(name: str) -> Callable[..., Any]:
    def read(file: str) -> str:
        return "\n".join((HERE / folder / file).read_text(encoding="utf-8") for folder in ("shared", name))

    return st.components.v2.component(
        f"right_reasons_{name}",
        html=(HERE / name / "index.html").read_text(encoding="utf-8"),
        css=read("style.css"),
        js=read("main.js"),
    )


_COMPONENTS = {name: _register(name) for name in ("histogram", "matrix", "gallery", "viewer", "strips", "keys")}


def _mount(name: str, data: Mapping[str, Any], key: str, calls: Mapping[str, Callable[[Any], None]]) -> None:
    """Show a component; `calls` says what is called with the value of each of its triggers."""

    def answer(trigger: str) -> Callable[[], None]:
        def on_change() -> None:
            value = st.session_state[key].get(trigger)
            if value is not None:
                calls[trigger](value)

        return on_change

    _COMPONENTS[name](key=key, data=packed(data), **{f"on_{trigger}_change": answer(trigger) for trigger in calls})
