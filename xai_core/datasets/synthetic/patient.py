"""Who the pictures are of: one or two pictures a patient, who belongs to one split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.datasets.synthetic.canvas import stream

SHARE_OF_PAIRS = 0.3
# of every 20 neighbouring pairs of pictures: 60 % train, 15 % validation, 25 % test
_SPLITS_OF_20 = ("train",) * 12 + ("validation",) * 3 + ("test",) * 5
_TONE_SHARES = (0.16, 0.24, 0.22, 0.17, 0.13, 0.08)


@dataclass(frozen=True)
class Patient:
    """What the pictures of one patient share. Skin tones run from 1 (palest) to 6 (darkest)."""

    group: str
    split: str
    age: int
    sex: str
    skin_tone: int
    risk: float


def draw_patient(seed: int, index: int) -> Patient:
    """Return the patient of image `index`; images 2j and 2j + 1 are of one patient in three cases of ten.

    The split goes by such pairs, whoever is on them, so that no patient is in two splits and the shares are exact
    over every 40 images. Older patients carry more risk, men a little more; skin tone carries none.
    """
    pair = index // 2
    shared = stream(seed, pair, "pair").random() < SHARE_OF_PAIRS
    number = 2 * pair if shared else index
    rng = stream(seed, number, "patient")
    order = stream(seed, pair // 20, "split").permutation(20)
    age = int(np.clip(np.round(52.0 + 17.0 * rng.standard_normal()), 12, 90))
    sex = ("female", "male")[int(rng.random() < 0.5)]
    logit = -0.45 + 0.035 * (age - 52) + (0.15 if sex == "male" else -0.15)
    return Patient(
        group=f"patient_{number:05d}",
        split=_SPLITS_OF_20[order[pair % 20]],
        age=age,
        sex=sex,
        skin_tone=1 + int(rng.choice(6, p=_TONE_SHARES)),
        risk=float(1.0 / (1.0 + np.exp(-logit))),
    )
