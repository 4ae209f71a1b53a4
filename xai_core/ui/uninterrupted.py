"""Callbacks are done whole, though the reader makes the next gesture meanwhile."""

from __future__ import annotations

import functools

from streamlit.runtime.state.safe_session_state import SafeSessionState


def keep_callbacks_whole() -> None:
    """Let a gesture wait until the callbacks of the one before it are done.

    Streamlit 1.67 looks for the next whenever a callback touches ``st.session_state`` or the URL, and ends the callback
    there: a filter was set by half, a verdict not stored. It has no setting for that, so a method of its is replaced.
    """
    original = SafeSessionState.on_script_will_rerun
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def on_script_will_rerun(self: SafeSessionState, *args: object, **kwargs: object) -> None:
        runner = self._yield_callback.__self__
        before, runner._execing = runner._execing, False  # while it is false, no gesture is looked for
        try:
            original(self, *args, **kwargs)
        finally:
            runner._execing = before

    SafeSessionState.on_script_will_rerun = on_script_will_rerun
