"""What callbacks have written into widgets, until the browser has heard of it.

With every gesture a browser sends the values of all its widgets. A gesture made while the answer to the last is on its
way sends the old ones once more, and Streamlit takes them for what the reader wants: the first of two quick gestures
would be undone by the second. So a widget that nobody sees gets a new number with every answer: with which number it
comes back says what the browser had heard when it spoke.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

ECHO = "heard"  # key of the widget, hidden by style.css


@dataclass(frozen=True)
class Written:
    """A value that a callback gave a widget: the number of the writing, and what the browser showed until then."""

    number: int
    key: str
    before: object
    value: object


def write(key: str, value: object) -> None:
    """Give a widget a value, from a callback."""
    catch_up()
    number = st.session_state.get("writings", 0) + 1
    _unheard().append(Written(number, key, st.session_state.get(key), value))
    st.session_state["writings"] = number
    st.session_state[key] = value


def catch_up() -> None:
    """Write again what the browser had not heard when it spoke, before any widget of the page is drawn.

    A value that is neither the one written nor one from before is the reader's own, and stays.
    """
    unheard, echo = _unheard(), st.session_state.get(ECHO)
    # without an echo the page has just been opened, and its widgets begin anew
    unheard[:] = [one for one in unheard if echo is not None and one.number > _number(echo)]
    for key, last in {one.key: one.value for one in unheard}.items():
        if any(st.session_state.get(key) == one.before for one in unheard if one.key == key):
            st.session_state[key] = last


def ask_for_echo() -> None:
    """Draw the widget that sends back which writings the browser has heard of, after all others."""
    number = str(st.session_state.get("writings", 0))
    if st.session_state.get(ECHO) != number:
        st.session_state[ECHO] = number
    st.text_input("Heard", key=ECHO)


def _unheard() -> list[Written]:
    return st.session_state.setdefault("unheard", [])


def _number(echo: str) -> int:
    return int(echo) if echo.isdecimal() else 0
