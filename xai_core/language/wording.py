"""Measures of the evidence, put into words."""

from __future__ import annotations

from collections.abc import Sequence

from xai_core.language.measures import NEAR, Measures, Outlined, distance

INSIDE, MOSTLY, PARTLY, SLIGHTLY = 0.90, 0.70, 0.35, 0.10
"""Least shares of the evidence inside the outline for 'inside', 'mostly on', 'partly on' and 'mostly beside'."""
MENTIONED = 0.10
"""Least share of the evidence on a patch or the rim that is told."""
LINE_SHARE, LINE_LIFT = 0.04, 1.3
"""Least share of the evidence on dark lines that is told, and how much denser they must be there than all over."""
COLOUR_DIFFERS, LIGHTNESS_DIFFERS, TEXTURE_DIFFERS = 6.0, 5.0, 1.25
"""Distance in Lab, in lightness, and the ratio of textures from which a difference is told."""
WORDS: dict[str, dict] = {
    "clinical": {"object": "lesion", "rest": "skin", "alike": True},
    "general": {"object": "object", "rest": "background", "alike": False},
}
"""What things are called, and whether each is of one kind, so that its colour and texture can be compared."""
SETTINGS = {
    "inside": [INSIDE, MOSTLY, PARTLY, SLIGHTLY],
    "mentioned": MENTIONED,
    "lines": [LINE_SHARE, LINE_LIFT],
    "differs": [COLOUR_DIFFERS, LIGHTNESS_DIFFERS, TEXTURE_DIFFERS],
}


def describe(found: Measures, words: dict) -> str:
    """Return what is to be seen, in a few sentences; `words` is one of `WORDS`."""
    parts = f" in {found.parts} separate parts" if found.parts > 1 else ""
    sentences = [f"The evidence {_place(found.outlined, words['object'])}.", f"It takes {percent(found.area)}"]
    sentences[-1] += f" of the picture{parts}{_reach(found.edges)}."
    sentences.append(_colour(found, words))
    sentences += [f"{percent(share)} of it is on {thing}." for thing, share in on_artefacts(found).items()]
    return " ".join([*sentences, *_lines(found)])


def on_artefacts(found: Measures) -> dict[str, float]:
    """Return the share of the evidence on a patch and on the rim, by what they are called, the larger first.

    Shares below `MENTIONED` are left out. Lines are not among them: maps are too coarse to lie on a hair.
    """
    shares = {kind: share for kind, share in found.artefacts.items() if kind != "line" and share >= MENTIONED}
    return {_called(kind, found): shares[kind] for kind in sorted(shares, key=shares.get, reverse=True)}


def percent(share: float) -> str:
    """Return a share as people read it."""
    return "under 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def _place(seen: Outlined | None, thing: str) -> str:
    if seen is None:
        return f"cannot be compared with the {thing}: nobody outlined it"
    if not seen.region_area:
        return f"lies outside the {thing}, which is not in the picture"
    covers, where = f"covering {percent(seen.covered)} of it", seen.direction or "on several sides"
    share = percent(seen.inside)
    if seen.inside >= INSIDE:
        return f"lies inside the {thing}{', along its border' if seen.border >= MOSTLY else ''}, {covers}"
    if seen.inside >= PARTLY:
        how = "mostly" if seen.inside >= MOSTLY else "partly"
        return f"lies {how} on the {thing} ({share}), {covers}, and goes beyond it {where}"
    if seen.inside >= SLIGHTLY:
        return f"lies mostly beside the {thing}, {where}; {share} is on it, {covers}"
    if seen.away <= NEAR:
        return f"lies just outside the border of the {thing}, {where}"
    return f"lies outside the {thing}, {where}, on average {percent(seen.away)} of the picture's side away"


def _reach(edges: Sequence[str]) -> str:
    if not edges:
        return ""
    if len(edges) == 4:
        return " and reaches every edge of it"
    names = edges[0] if len(edges) == 1 else f"{', '.join(edges[:-1])} and {edges[-1]}"
    return f" and reaches its {names} edge"


def _colour(found: Measures, words: dict) -> str:
    seen = found.outlined
    # of an object in a box, or of a whole landscape, the mean colour says nothing
    if seen is None or not 0 < seen.region_area < 1 or not words["alike"]:
        return f"Its colour there is {found.colours}."
    to_object, to_rest = distance(found.colour, seen.colour), distance(found.colour, seen.rest_colour)
    if distance(seen.colour, seen.rest_colour) < COLOUR_DIFFERS:
        alike = f"{words['object']} and {words['rest']} hardly differ in colour"
    elif abs(to_object - to_rest) < COLOUR_DIFFERS:
        alike = f"between the {words['object']} and the {words['rest']}"
    else:
        alike = f"like the {words['object' if to_object < to_rest else 'rest']}"
    further = [*_lightness(found, seen), *_texture(found, seen)]
    than = f", {' and '.join(further)} than the {words['object']} as a whole" if further else ""
    return f"Its colour there is {found.colours}, {alike}{than}."


def _lightness(found: Measures, seen: Outlined) -> list[str]:
    lighter = found.colour[0] - seen.colour[0]
    return [] if abs(lighter) < LIGHTNESS_DIFFERS else ["lighter" if lighter > 0 else "darker"]


def _texture(found: Measures, seen: Outlined) -> list[str]:
    ratio = (found.texture + 0.1) / (seen.texture + 0.1)
    if 1 / TEXTURE_DIFFERS < ratio < TEXTURE_DIFFERS:
        return []
    return ["rougher" if ratio > 1 else "smoother"]


def _called(kind: str, found: Measures) -> str:
    if kind == "rim":
        return "the dark rim of the picture"
    return f"a patch of {found.patch_colours} colour beside the lesion"


def _lines(found: Measures) -> list[str]:
    share, overall = found.artefacts.get("line", 0.0), found.artefact_areas.get("line", 0.0)
    if share < LINE_SHARE or share < LINE_LIFT * overall:
        return []
    return [
        f"Dark lines such as hairs, ink or ruler marks take {percent(share)} of it, {percent(overall)} of the picture."
    ]
