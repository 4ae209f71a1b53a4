"""The app: ``python -m xai_core app``, ``streamlit run app.py`` or ``python app.py``, from any working directory."""

import contextlib
from pathlib import Path

import streamlit as st

from xai_core.ui import server
from xai_core.ui.uninterrupted import keep_callbacks_whole

ROOT = Path(__file__).resolve().parent

keep_callbacks_whole()
settings = server.settle(ROOT / "app.py", own=__name__ == "__main__")
app = st.App(ROOT / "xai_core" / "ui" / "main.py", lifespan=server.lifespan, middleware=server.middleware())

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        app.run(config=settings)
