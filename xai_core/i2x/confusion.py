"""Which confusion is to be mended: a pair of classes, and the prototypes that they fight over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.i2x.structure import pair_of, structure

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


def chosen(
    track: Track,
    pair: str | None,
    prototypes: Sequence[int],
    *,
    most: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> Confusion:
    """Return what to mend on a track: what is named, and from the track's structure what is not.

    Parameters
    ----------
    track : Track
    pair : str or None
        ``A,B``; the pair that the final network confuses most without.
    prototypes : sequence of int
        Where empty, the surest of those uncertain between the pair; where the test finds none, the nearest to it, and
        `why` says so. One that most of both classes carry is passed over: none of them could be left out.
    most : float
        Share of a class from which most of it carries a prototype.
    progress : callable, optional
        Told (steps done, steps in all) where the structure has to be made.

    Raises
    ------
    BadInput
        Where a name is none of the track's, or no prototype swings between the pair.
    """
    asked = named(pair, track.class_names) if pair else None
    listed = within(prototypes, track.prototypes)
    if asked and listed:
        return Confusion(asked, listed, "both were named")
    found = structure(track, progress=progress)
    entry = pair_of(found, asked)
    confused = f"the final network confuses {entry['confused']} of the followed samples of the pair"
    first = "the pair was named" if asked else f"no pair is confused more often: {confused}"
    if listed:
        return Confusion(tuple(entry["classes"]), listed, f"{first}; the prototype was named")
    best, second = _surest(entry, found["options"], most)
    return Confusion(asked or tuple(entry["classes"]), (best,), f"{first}; {second}")


def _surest(entry: Mapping, options: Mapping, most: float) -> tuple[int, str]:
    """Return the prototype that a pair fights over, and how sure that is, in words."""
    rows = [row for row in entry["prototypes"] if any(0 < share <= most for share in row["coverage"])]
    if not rows:
        raise BadInput(
            where="the pair " + " and ".join(entry["classes"]),
            expected="a prototype that swings between them, and that some but not most of a class carry",
            found="none",
            remedy="name one with --prototype, or another --pair",
        )
    best, level = rows[0], options["level"]
    sure = sum(row["p"] <= level for row in rows)
    figures = f"score {best['score']:.3g}, p {best['p']:.3g}"
    if not sure:
        return best["prototype"], f"no prototype is uncertain by the test, this one comes nearest ({figures})"
    return best["prototype"], f"the surest of {sure} uncertain by the test ({figures})"
