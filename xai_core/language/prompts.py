"""What a judge is asked: texts in files, known by their bytes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.language.views import View

if TYPE_CHECKING:
    from xai_core.runs import Run

FOLDER = Path(__file__).parent / "prompts"
SHIPPED = ("clinical", "general")
_PLACES = {"predicted", "view"}
_VERSION = re.compile(r"<!-- version (\d+) -->\n+")


@dataclass(frozen=True)
class Prompt:
    """What a judge is asked, with places for the predicted class and for what the view shows.

    Attributes
    ----------
    name : str
    version : int
        0 for a file of the user's own that does not say.
    text : str
    digest : str
        sha256 (hex) of the text.
    """

    name: str
    version: int
    text: str
    digest: str

    def fill(self, predicted: str, view: View) -> str:
        """Return the text for one record: the class that its map speaks for, and what the picture is."""
        said = {"predicted": predicted, "view": view.meaning}
        return re.sub(r"\{(\w+)\}", lambda place: said[place[1]], self.text)


def open_prompt(name: str) -> Prompt:
    """Return a shipped prompt, ``clinical`` or ``general``, or that of a file.

    Raises
    ------
    BadInput
        Where there is no such file, it does not name ``{predicted}``, or it has a place that nothing fills.
    """
    path = FOLDER / f"{name}.md" if name in SHIPPED else Path(name)
    try:
        whole = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "a file that is not UTF-8"
        remedy = f"name one of {', '.join(SHIPPED)} or a text file"
        raise BadInput(where=path, expected="a prompt", found=found, remedy=remedy) from error
    version = _VERSION.match(whole)
    text = whole[version.end() if version else 0 :].strip()
    places = set(re.findall(r"\{(\w+)\}", text))
    if "predicted" not in places or places - _PLACES:
        found = ", ".join(f"{{{place}}}" for place in sorted(places)) or "no place"
        expected = "a prompt with the place {predicted}, and {view} where it says what the picture is"
        raise BadInput(where=path, expected=expected, found=found, remedy="correct the text: a judge is told no more")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(path.stem, int(version[1]) if version else 0, text, digest)


def fitting(run: Run) -> str:
    """Return the name of the shipped prompt that fits a run: ``clinical`` for lesions, else ``general``."""
    return "clinical" if run.settings["clinical"] or run.settings["bands"] == "lesions" else "general"
