"""The model card of a run's classifier, where it still lies where the run says."""

from __future__ import annotations

from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import read_json
from xai_core.runs.store import Run

PROJECT = Path(__file__).resolve().parents[2]
CARD = "card.json"
_DIGITS = 12


def card_file(run: Run) -> tuple[Path | None, str]:
    """Return the file of the card of a run's classifier, or None and why there is none.

    It lies in the folder that the run names, seen from the working directory or from the project's own; a card of
    another classifier than the run's is none.
    """
    named, digest = run.settings["classifier"], run.settings["classifier_digest"]
    found = [folder / CARD for folder in (Path(named), PROJECT / named) if (folder / CARD).is_file()]
    if not named or not found:
        return None, f"{named or 'The classifier'} has no card here."
    try:
        card = read_json(found[0])
    except BadInput as error:
        return None, f"The card of {named} cannot be read: {error.found}."
    if card.get("digest") != digest:
        return None, f"The card of {named} is of another classifier now: its digest is not {digest[:_DIGITS]}."
    return found[0], ""


def card_of(run: Run) -> tuple[dict | None, str]:
    """Return the card of a run's classifier, or None and why there is none (`card_file`)."""
    file, why_not = card_file(run)
    return (None if file is None else read_json(file)), why_not
