"""The model card in a report: what the classifier was made from, and how good it was when it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence

from xai_core.review.cards import card_of
from xai_core.review.words import METRICS, estimate
from xai_core.runs.store import Run


def cards_of(runs: Sequence[Run]) -> list[dict]:
    """Return the parts that show the card of every classifier, once each."""
    parts = []
    for run in {run.settings["classifier_digest"]: run for run in runs}.values():
        card, why_not = card_of(run)
        parts.append({"heading": run.settings["classifier"] or run.settings["classifier_digest"][:12]})
        parts += [{"text": why_not}] if card is None else _card(card)
    return parts


def _card(card: dict) -> list[dict]:
    data, recipe, training = (card.get(key) or {} for key in ("data", "recipe", "training"))
    stated = {
        "Architecture": card.get("architecture", {}).get("name"),
        "Pathway": recipe.get("pathway"),
        "Epochs": training.get("epochs_done"),
        "Seed": recipe.get("seed"),
        "Data": data.get("spec"),
        "Samples": _counts(data.get("counts") or {}),
        "Split": data.get("split_note"),
        "Synthetic": data.get("synthetic"),
        "Use": card.get("use"),
        "Digest": card.get("digest"),
    }
    rows = [[name, _plain(value)] for name, value in stated.items() if value not in (None, "")]
    parts: list[dict] = [{"table": {"caption": "What it was made from", "head": ["What", "Value"], "rows": rows}}]
    measured = {part: entries for part, entries in (card.get("metrics") or {}).items() if entries}
    if measured:
        rows = [
            [title, *(_figure(entries.get(name)) for entries in measured.values())]
            for name, (title, _) in METRICS.items()
        ]
        caption = "Metrics when it was made, with 95 % intervals"
        parts.append({"table": {"caption": caption, "head": ["Metric", *measured], "rows": rows}})
    code = json.dumps(card, indent=1, ensure_ascii=False)
    return [*parts, {"folded": "The whole card", "parts": [{"code": code}]}]


def _figure(entry: dict | None) -> str:
    return "undefined" if not entry else estimate(entry.get("value"), entry.get("low"), entry.get("high"))


def _counts(counts: dict) -> str:
    return "; ".join(
        f"{part}: {', '.join(f'{number} {name}' for name, number in classes.items())}"
        for part, classes in counts.items()
    )


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
