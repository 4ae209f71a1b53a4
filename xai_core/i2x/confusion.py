"""Which confusion is to be mended: a pair of classes, and the prototypes that they fight over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.i2x.store import Track


@dataclass(frozen=True)
class Confusion:
    """What is to be mended.

    Attributes
    ----------
    pair : (str, str)
        Names of two classes.
    prototypes : tuple of int
    why : str
        How they were chosen, in words.
    """

    pair: tuple[str, str]
    prototypes: tuple[int, ...]
    why: str

    def indices(self, class_names: Sequence[str]) -> tuple[int, int]:
        """Return the positions of the pair among the class names."""
        first, second = (list(class_names).index(name) for name in self.pair)
        return first, second


def named(pair: str, class_names: Sequence[str]) -> tuple[str, str]:
    """Return the two classes that a text names: ``A,B``; a name may hold commas itself.

    Raises
    ------
    BadInput
        Where they are not two of the classes.
    """
    pieces = pair.split(",")
    splits = [(",".join(pieces[:k]).strip(), ",".join(pieces[k:]).strip()) for k in range(1, len(pieces))]
    found = [each for each in splits if set(each) <= set(class_names) and each[0] != each[1]]
    if not found:
        raise BadInput(
            where="--pair",
            expected=f"two of the classes {', '.join(class_names)}, with a comma between them",
            found=pair,
            remedy="name two",
        )
    return found[0]


def within(prototypes: Sequence[int], count: int) -> tuple[int, ...]:
    """Return the prototypes, each once, in their order.

    Raises
    ------
    BadInput
        Where one is not among the `count` of a track.
    """
    wrong = [k for k in prototypes if not 0 <= k < count]
    if wrong:
        raise BadInput(
            where="--prototype",
            expected=f"prototypes of the track: 0 to {count - 1}",
            found=", ".join(map(str, wrong)),
            remedy="name others; `i2x show` lists the uncertain ones",
        )
    return tuple(dict.fromkeys(prototypes))


def chosen(track: Track, pair: str | None, prototypes: Sequence[int]) -> Confusion:
    """Return what to mend on a track: what is named, and from the track's structure what is not.

    Parameters
    ----------
    track : Track
    pair : str or None
        ``A,B``; the most confused pair without.
    prototypes : sequence of int
        The most uncertain one of the pair where empty.

    Raises
    ------
    BadInput
        Where a name is none of the track's, or no prototype of the pair is uncertain.
    """
    if pair and prototypes:
        return Confusion(named(pair, track.class_names), within(prototypes, track.prototypes), "both were named")
    raise BadInput(
        where=track.folder,
        expected="--pair and --prototype",
        found="one of them, or none",
        remedy="name both",
    )
