"""A run as an entry of the archive: which files of it are kept, and what a list shows of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json
from xai_core.release import reliance, trust
from xai_core.release import review_set as review_sets
from xai_core.release.archive_entry import RUN
from xai_core.review.cards import card_file
from xai_core.runs.scoring import score
from xai_core.runs.store import Run

CARD, REVIEW_SET, GATE = "card.json", "review_set.json", "gate.json"
_ABOUT = ("classifier", "classifier_digest", "dataset", "split", "method", "target", "positive", "region_rule")


def files_of(run: Run, review_set: Path | None = None, gate: Path | None = None) -> dict[str, Path]:
    """Return the files that are kept of a run, by their names within an entry.

    Settings, manifest, records, parts (the raw maps) and the scores by the explainer's own rule, from which everything
    else follows; what `probe` and `reliance` measured and the classifier's card, where they are; the
    review set and the gate's result where they are named.

    Raises
    ------
    BadInput
        Where a file of the run is not as its manifest says, the review set was changed, or the gate judged another run.
    """
    damaged = run.verify()
    if damaged:
        raise BadInput(
            where=run.folder, expected="a run as it was written", found=damaged[0], remedy="make it anew, or restore it"
        )
    scores = score(run)
    inside = ["run.json", "settings.json", run.manifest["records"]["file"]]
    inside += [part["file"] for part in run.manifest["parts"]]
    inside += [str(path.relative_to(run.folder)) for path in (scores, scores.with_suffix(".json"))]
    for kept in (trust, reliance):
        if kept.read(run) is not None:
            inside.append(kept.FILE)
    files = {f"{RUN}/{name}": run.folder / name for name in inside}
    card, _ = card_file(run)
    if card is not None:
        files[CARD] = card
    if review_set is not None:
        review_sets.read(review_set)
        files[REVIEW_SET] = Path(review_set)
    if gate is not None:
        _check_gate(run, Path(gate))
        files[GATE] = Path(gate)
    return files


def about_of(run: Run, files: Mapping[str, Path], archive: Path) -> dict:
    """Return what a list shows of a run, and where its pictures lie, seen from the archive."""
    pictures = (run.folder / run.settings["dataset_root"]).resolve()
    return {
        **{name: run.settings[name] for name in _ABOUT},
        "content_digest": run.manifest["content_digest"],
        "samples": run.manifest["samples"],
        "made": run.manifest["created"],
        "gate": read_json(files[GATE])["verdict"] if GATE in files else "",
        "pictures": os.path.relpath(pictures, archive.resolve()),
    }


def _check_gate(run: Run, file: Path) -> None:
    judged = read_json(file)
    if "verdict" in judged and not is_sealed(judged):
        raise BadInput(
            where=file,
            expected="the gate's result as it was written",
            found="bytes that were changed",
            remedy="run `gate` again",
        )
    candidate = judged.get("candidate") or {}
    if "verdict" not in judged or candidate.get("content_digest") != run.manifest["content_digest"]:
        raise BadInput(
            where=file,
            expected=f"the gate's result on the run {run.manifest['content_digest'][:12]}",
            found=f"one on {str(candidate.get('content_digest'))[:12]}",
            remedy="name the JSON file that `gate` wrote for this run",
        )
