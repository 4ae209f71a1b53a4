"""The model folder: a classifier as files that anyone can read.

    card.json                            what the network is, how it was trained, how good it is
    weights.safetensors                  every tensor, float32
    checkpoints/step-000000.safetensors  what training had changed by that step (`training.checkpoints`)

The card holds ``digest``: the classifier's, proved on every load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.files import read_json, write_json
from xai_core.models import architectures, weights
from xai_core.models.classifier import Classifier, Preprocessing

FORMAT = "right-reasons model 1"
WEIGHTS, CARD, CHECKPOINTS = "weights.safetensors", "card.json", "checkpoints"
_STEP = re.compile(r"step-(\d{6,})\.safetensors")


def save(classifier: Classifier, folder: str | Path, card: Mapping[str, object] | None = None) -> dict:
    """Return the card written beside the weights; the card comes last, so a folder with a card is whole.

    Raises
    ------
    ValueError
        Where the classifier computes in another precision than float32: its weights are rounded already.
    """
    if classifier.precision != "float32":
        raise ValueError(f"only float32 weights are stored, not {classifier.precision}")
    folder = Path(folder)
    weights.save_weights(classifier.network.state_dict(), folder / WEIGHTS)
    described = classifier.description | {"cam_layer": classifier.cam_layer, "digest": classifier.digest}
    complete = {"format": FORMAT} | described | dict(card or {})
    write_json(folder / CARD, complete)
    return complete


def load_folder(
    folder: str | Path, *, checkpoint: int | None = None, device: str | None = None, precision: str = "float32"
) -> Classifier:
    """Return the classifier of a model folder, or what it was at a step of its training.

    Raises
    ------
    BadInput
        Where the folder is none, its card is damaged, or the weights are not those of the card.
    """
    folder = Path(folder)
    card = _card(folder)
    network = architectures.build(card["architecture"])
    state = weights.load_weights(folder / WEIGHTS)
    if checkpoint is not None:
        state |= weights.load_weights(checkpoint_path(folder, checkpoint))
    weights.fit_weights(network, state, folder / WEIGHTS)
    preprocessing = Preprocessing.from_dict(card["preprocessing"])
    classifier = Classifier(
        network,
        preprocessing,
        tuple(card["class_names"]),
        card["architecture"],
        cam_layer=card["cam_layer"],
        device=device,
        precision=precision,
        operating_points=_operating_points(card) if checkpoint is None else {},
    )
    if checkpoint is None and classifier.digest != card["digest"]:
        raise BadInput(
            where=folder,
            expected=f"the classifier {card['digest'][:12]} that the card describes",
            found=f"{classifier.digest[:12]}",
            remedy="restore card.json and weights.safetensors together, or train again",
        )
    return classifier


def checkpoints(folder: str | Path) -> tuple[int, ...]:
    """Return the training steps kept in a model folder, ascending; 0 is before the first update."""
    found = (_STEP.fullmatch(p.name) for p in (Path(folder) / CHECKPOINTS).glob("step-*.safetensors"))
    return tuple(sorted(int(m[1]) for m in found if m))


def checkpoint_path(folder: str | Path, step: int) -> Path:
    """Return where the checkpoint of a training step lies in a model folder."""
    return Path(folder) / CHECKPOINTS / f"step-{step:06d}.safetensors"


def _operating_points(card: Mapping[str, object]) -> dict[str, float]:
    """Return the thresholds of a card that training wrote; one chosen on no positive sample is left out."""
    points = card.get("operating_points") or {}
    return {name: point["threshold"] for name, point in points.items() if point["threshold"] is not None}


def _card(folder: Path) -> dict:
    if not (folder / CARD).is_file():
        is_started = (folder / "state").is_dir()
        raise BadInput(
            where=folder,
            expected="a model folder with card.json",
            found="a training that has not ended" if is_started else "none",
            remedy="go on with train ... --resume"
            if is_started
            else "check the path; others start with timm: or import:",
        )
    card = read_json(folder / CARD)
    needed = {"architecture": dict, "preprocessing": dict, "class_names": list, "cam_layer": str, "digest": str}
    wrong = [k for k, kind in needed.items() if not isinstance(card.get(k), kind)]
    if wrong or card.get("format") != FORMAT:
        raise BadInput(
            where=folder / CARD,
            expected=f"a card of format {FORMAT!r}",
            found=f"format {card.get('format')!r}, without {', '.join(wrong) or 'nothing else'}",
            remedy="restore the card or train again",
        )
    return card
