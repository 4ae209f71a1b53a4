"""``app``: serve the pages to a browser on this machine; the working directory holds runs, models and jobs."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path

LAUNCHER = Path(__file__).resolve().parents[2] / "app.py"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--port", type=_port, help="where to listen (8501)")
    parser.add_argument("--address", help="127.0.0.1; another one needs sign-in: see the README")


def run(options: argparse.Namespace) -> int:
    """Return 0 when the server was ended; it listens until then."""
    for name in ("port", "address"):
        if (value := getattr(options, name)) is not None:
            os.environ[f"STREAMLIT_SERVER_{name.upper()}"] = str(value)
    sys.argv = [str(LAUNCHER)]
    runpy.run_path(str(LAUNCHER), run_name="__main__")
    return 0


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return value
