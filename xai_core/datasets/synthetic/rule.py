"""The ABCD rule: four numbers of a lesion, the score over them, and the label that follows.

After the ABCD rule of dermatoscopy (Nachbar et al., J Am Acad Dermatol 1994; Stolz et al. 1994): 1.3 A + 0.1 B + 0.5 C
+ 0.5 D, benign below 4.75, suspicious to 5.45, malignant above. Deviation: their D counts structures; here it is the
diameter in units of 2 mm, at most 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASS_NAMES = ("benign", "malignant")
SUSPICIOUS = (4.75, 5.45)
COLOURS = ("light_brown", "dark_brown", "black", "red", "blue_grey", "white")


@dataclass(frozen=True)
class Traits:
    """The four numbers. All are rounded as they are written, so a reader of the table gets the same score.

    Attributes
    ----------
    asymmetry : float
        0 (the same on both sides of two axes) to 2.
    border : int
        How many eighths of the border are ragged and cut off abruptly, 0 to 8.
    colours : tuple of str
        Which of `COLOURS` occur, 1 to 6.
    diameter : float
        The greatest extent in mm, 2.5 to 13.
    """

    asymmetry: float
    border: int
    colours: tuple[str, ...]
    diameter: float

    @property
    def score(self) -> float:
        """Return the ABCD score, see `abcd_score`."""
        return abcd_score(self.asymmetry, self.border, len(self.colours), self.diameter)


def abcd_score(asymmetry: float, border: int, colours: int, diameter: float) -> float:
    """Return 1.3 A + 0.1 B + 0.5 C + 0.5 D, rounded to 3 digits; D is the diameter (mm) / 2, at most 5."""
    return round(1.3 * asymmetry + 0.1 * border + 0.5 * colours + 0.5 * min(diameter / 2.0, 5.0), 3)


def is_borderline(score: float) -> bool:
    """Return whether a score lies in the suspicious zone, where the rule leaves the label to chance."""
    return SUSPICIOUS[0] <= score <= SUSPICIOUS[1]


def chance_of_malignant(score: float) -> float:
    """Return the chance that a lesion of this score is malignant: 0 below the zone, 1 above, a straight line within."""
    return float(np.clip((score - SUSPICIOUS[0]) / (SUSPICIOUS[1] - SUSPICIOUS[0]), 0.0, 1.0))


def draw_traits(rng: np.random.Generator, risk: float) -> tuple[Traits, str]:
    """Return a lesion's traits and its label; `risk` is the chance that it comes from the atypical population.

    One severity in [0, 1] drives all four traits, each with noise of its own: none of them decides alone.
    """
    severity = rng.beta(4.2, 2.4) if rng.random() < risk else rng.beta(1.9, 4.4)
    noise = rng.standard_normal(4)
    asymmetry = round(float(np.clip(2.0 * severity + 0.32 * noise[0], 0.0, 2.0)), 2)
    border = int(np.clip(np.round(8.0 * severity + 1.5 * noise[1]), 0, 8))
    count = int(np.clip(np.round(1.0 + 4.4 * severity + 0.75 * noise[2]), 1, 6))
    diameter = round(float(np.clip(5.4 + 3.0 * severity + 1.7 * noise[3], 2.5, 13.0)), 1)
    traits = Traits(asymmetry, border, _draw_colours(rng, count), diameter)
    malignant = rng.random() < chance_of_malignant(traits.score)
    return traits, CLASS_NAMES[int(malignant)]


def _draw_colours(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Return `count` names: the browns first, for every lesion has one; then those that nature uses more."""
    browns = list(rng.permutation(COLOURS[:2]))
    others = list(rng.choice(COLOURS[2:], 4, replace=False, p=(0.4, 0.25, 0.23, 0.12)))
    chosen = {str(name) for name in (browns + others)[:count]}
    return tuple(name for name in COLOURS if name in chosen)
