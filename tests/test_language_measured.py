"""The judge without a model says what was planted, scores by its rules, and reaches no network."""

from __future__ import annotations

import re
import shutil
import socket

import numpy as np
import pytest
from conftest import ROOT
from language_fixtures import make_run
from skimage.draw import disk, line

from xai_core.errors import BadInput
from xai_core.language.judge import judge_run
from xai_core.language.measured import LIMITS, MeasuredJudge, score
from xai_core.language.measures import colour_name, measure
from xai_core.language.wording import WORDS, describe
from xai_core.runs import open_run

SIZE = (120, 160)
CLINICAL = WORDS["clinical"]
SKIN, LESION = (205, 160, 140), (110, 70, 50)


def spot(y: int, x: int, radius: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[disk((y, x), radius, shape=SIZE)] = True
    return mask


REGION = spot(40, 110, 25)


def skin(lesion: np.ndarray | None = REGION) -> np.ndarray:
    image = np.random.default_rng(0).normal(0, 3, (*SIZE, 3)) + SKIN
    if lesion is not None:
        image[lesion] += np.subtract(LESION, SKIN)
    return np.clip(image, 0, 255).astype(np.uint8)


def judged(evidence: np.ndarray, region: np.ndarray | None = REGION, image: np.ndarray | None = None):
    found = measure(skin() if image is None else image, evidence, region, dermoscopy=True)
    return found, describe(found, CLINICAL), *score(found, CLINICAL)


def share_inside(share: float) -> np.ndarray:
    """Return evidence of 400 pixels of which a share lies in the region, the rest far off it to the lower left."""
    evidence = np.zeros(SIZE, bool)
    inside, outside = np.argwhere(REGION), np.argwhere(spot(100, 20, 15))
    chosen = np.concatenate([inside[: round(400 * share)], outside[: 400 - round(400 * share)]])
    evidence[tuple(chosen.T)] = True
    return evidence


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, 1),
        (0.095, 1),
        (0.105, 2),
        (0.345, 2),
        (0.355, 3),
        (0.695, 3),
        (0.705, 4),
        (0.895, 4),
        (0.905, 5),
        (1.0, 5),
    ],
)
def test_the_score_follows_the_share_inside(share, expected):
    found, _, reason, reached = judged(share_inside(share))
    assert found.outlined.inside == pytest.approx(share, abs=0.002) and reached == expected
    assert f"by chance {REGION.mean() * 100:.0f} %" in reason


def test_measures_against_an_outline_are_counts_of_pixels():
    evidence = spot(52, 92, 20)
    seen = judged(evidence)[0].outlined
    both = (evidence & REGION).sum()
    assert seen.inside == pytest.approx(both / evidence.sum()) and seen.covered == pytest.approx(both / REGION.sum())
    inside = np.argwhere(REGION)
    outside = np.argwhere(evidence & ~REGION)
    nearest = [np.sqrt(((inside - pixel) ** 2).sum(1)).min() for pixel in outside]
    assert seen.away == pytest.approx(np.mean(nearest) / max(SIZE)) and seen.region_area == REGION.mean()


@pytest.mark.parametrize(
    ("centre", "said"), [((100, 110), "below,"), ((100, 20), "below and to the left"), ((40, 20), ", to the left")]
)
def test_where_it_lies_and_how_far(centre, said):
    described = judged(spot(*centre, 12))[1]
    assert "lies outside the lesion" in described and said in described
    far = int(re.search(r"average (\d+) % of the picture's side", described)[1]) / 100
    gap = np.hypot(centre[0] - 40, centre[1] - 110) - 25
    assert far == pytest.approx(gap / max(SIZE), abs=0.02)


def test_just_outside_the_border():
    ring = spot(40, 110, 28) & ~spot(40, 110, 26)
    _, described, _, reached = judged(ring)
    assert "just outside the border of the lesion, on several sides" in described and reached == 1


def test_inside_along_the_border():
    assert "inside the lesion, along its border" in judged(REGION & ~spot(40, 110, 21))[1]
    assert "along its border" not in judged(spot(40, 110, 10))[1]


def test_how_much_in_how_many_parts_and_at_which_edges():
    evidence = np.zeros(SIZE, bool)
    evidence[-20:, :30] = evidence[60:70, 70:90] = True
    evidence[0, 150] = True  # a crumb: no part, no edge
    described = judged(evidence)[1]
    assert f"It takes {evidence.mean() * 100:.0f} % of the picture in 2 separate parts" in described
    assert "reaches its left and lower edge." in described


def scattered() -> np.ndarray:
    return np.any([spot(y, x, 6) for y, x in ((12, 12), (100, 20), (100, 140), (60, 60), (15, 60))], axis=0)


def test_scattered_evidence_has_no_score_above_nought():
    assert judged(scattered())[3] == 0
    assert judged(scattered(), region=None)[3] == 0
    assert judged(scattered(), region=~spot(60, 60, 30))[3] != 0, "not where it keeps to the lesion"


def test_evidence_that_is_no_better_than_by_chance_is_not_high():
    wide = np.zeros(SIZE, bool)
    wide[:, 40:] = True
    evidence = np.zeros(SIZE, bool)
    evidence[50:70, :] = True
    assert judged(evidence, region=wide)[2:] == (
        "No better than by chance: 75 % of the evidence is on the lesion (by chance 75 %).",
        2,
    )


def test_what_cannot_be_scored_says_why():
    whole = np.ones(SIZE, bool)
    whole[:5] = False
    assert judged(spot(60, 60, 9), region=whole)[2:] == (
        "The lesion takes 96 % of the picture: hardly any map could miss it.",
        None,
    )
    _, described, reason, reached = judged(spot(60, 60, 9), region=None)
    assert reached is None and "cannot be measured" in reason and "nobody outlined" in described
    assert judged(spot(60, 60, 9), region=np.zeros(SIZE, bool))[3] == 1


def with_patch(colour, y: int = 100, x: int = 15) -> tuple[np.ndarray, np.ndarray]:
    image, patch = skin(), spot(y, x, 18)
    image[patch] = colour
    return image, patch


@pytest.mark.parametrize(
    ("colour", "name"),
    [((40, 150, 70), "green"), ((50, 110, 200), "blue"), ((235, 210, 40), "yellow"), ((190, 20, 30), "red")],
)
def test_a_patch_of_colour_is_named_and_lowers_the_score(colour, name):
    image, patch = with_patch(colour)
    evidence = np.zeros(SIZE, bool)
    evidence[tuple(np.concatenate([np.argwhere(REGION)[:600], np.argwhere(patch)[:300]]).T)] = True
    found, described, reason, reached = judged(evidence, image=image)
    assert found.artefacts["patch"] == pytest.approx(1 / 3, abs=0.02)
    assert f"33 % of it is on a patch of {name} colour" in described and reached == 2 and name in reason
    found, described, _, reached = judged(evidence)
    assert found.artefacts["patch"] == 0 and "patch" not in described and reached == 3


def test_a_blue_lesion_is_no_patch():
    image = skin()
    image[REGION] = (50, 110, 200)
    assert judged(REGION, image=image)[0].artefacts == {"patch": 0, "rim": 0, "line": 0}


def test_the_dark_rim_is_named_and_a_dark_lesion_at_the_edge_is_not_one():
    image, rim = skin(), ~spot(60, 80, 85)
    image[rim] = 4
    assert judged(rim, image=image)[1].endswith("100 % of it is on the dark rim of the picture.")
    lesion = spot(0, 80, 25)
    image = skin(lesion)
    image[lesion] = 4
    assert judged(lesion, region=lesion, image=image)[0].artefacts["rim"] == 0


def test_hairs_are_told_and_do_not_count():
    image = skin()
    for start in range(5, 60, 9):
        image[line(70, start, 119, start + 12)] = image[line(70, start + 1, 119, start + 13)] = 40
    found, described, _, reached = judged(spot(100, 35, 18), image=image)
    assert "Dark lines such as hairs" in described and reached == 1
    assert found.artefact_areas["line"] == pytest.approx(7 * 2 * 50 / image[..., 0].size, rel=0.3)
    assert "Dark lines" not in judged(spot(20, 35, 12), image=image)[1]
    assert "Dark lines" not in judged(np.ones(SIZE, bool), image=image)[1]
    image = skin()
    for start in range(5, 150, 9):
        image[5:115, start : start + 2] = 40
    found, described, *_ = judged(spot(100, 35, 18), image=image)
    assert found.artefacts["line"] > 0.1 and "Dark lines" not in described, "no more there than all over"


@pytest.mark.parametrize(
    ("rgb", "name"),
    [((0, 0, 0), "black"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"), ((60, 35, 25), "dark brown"),
     ((120, 75, 50), "brown"), ((190, 140, 105), "light brown"), ((220, 30, 30), "red"), ((240, 150, 30), "orange"),
     ((240, 220, 40), "yellow"), ((40, 160, 60), "green"), ((40, 90, 200), "blue"), ((130, 50, 170), "purple")],
)  # fmt: skip
def test_colours_have_the_names_that_people_give_them(rgb, name):
    from skimage.color import rgb2lab

    assert colour_name(tuple(rgb2lab(np.uint8([[rgb]]))[0, 0])) == name


def test_colour_and_texture_beside_lesion_and_skin():
    image = skin()
    image[spot(40, 110, 10)] = (55, 35, 30)
    described = judged(spot(40, 110, 9), image=image)[1]
    assert "dark brown, like the lesion, darker and smoother than the lesion as a whole" in described
    assert "like the skin, lighter" in judged(spot(100, 20, 15))[1]
    assert "lesion and skin hardly differ in colour" in judged(REGION, image=skin(None))[1]


def test_only_lesions_are_searched_for_artefacts():
    image, patch = with_patch((40, 150, 70))
    found = measure(image, patch, REGION, dermoscopy=False)
    described = describe(found, WORDS["general"])
    assert found.artefacts == {} and "patch" not in described and "object" in described and "lesion" not in described


def test_every_rule_is_in_the_settings():
    judge = MeasuredJudge()
    assert judge.settings["limits"] == LIMITS and judge.settings["artefacts"] and judge.settings["told"]
    assert MeasuredJudge("general").settings["artefacts"] is None
    with pytest.raises(BadInput, match="clinical, general"):
        MeasuredJudge("poetic")


def test_no_network_is_needed(tmp_path, monkeypatch):
    def closed(*_, **__):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, closed)
    found = judge_run(make_run(tmp_path, broken=1), MeasuredJudge())
    assert found.manifest["counts"]["unreadable"] == 0 and found.manifest["judge"]["measures"]
    assert found.manifest["view"] is None and found.name == "measured"


def test_a_map_without_evidence_is_undecided(tmp_path):
    from review_fixtures import SQUASH as frame
    from review_fixtures import record, write_run

    from xai_core.files import sha256_of
    from xai_core.runs import rows

    make_run(tmp_path, 1)
    nothing = rows.encode_heatmap(np.zeros((6, 8), np.float32))
    hashed = {"image_hash": sha256_of(tmp_path / "data" / "id000.png")}
    run = write_run(tmp_path / "empty", tmp_path / "data", [record(0, (90, 150), frame) | nothing | hashed])
    row = judge_run(run, MeasuredJudge()).table().iloc[0]
    assert row["error"] == "" and str(row["score"]) == "<NA>" and "No part of the picture" in row["description"]


@pytest.mark.parametrize("method", ["grad_cam", "lime"])
def test_on_the_sample_runs_it_says_patch_where_the_metadata_do(tmp_path, method):
    """The patches of the synthetic images are known to the pixel: most are told, and none where there is none."""
    shutil.copytree(ROOT / "sample_data" / "dermoscopy", tmp_path / "dermoscopy")
    folder = tmp_path / "runs" / method / "predicted"
    shutil.copytree(
        ROOT / "sample_data" / "runs" / method / "predicted", folder, ignore=shutil.ignore_patterns("judgements")
    )
    run = open_run(folder)
    said = judge_run(run, MeasuredJudge()).table()["description"].str.contains("patch")
    on_patch = np.array(list(map(patch_share, run.records().to_dict("records"), evidence_of(run)))) >= 0.1
    assert on_patch.sum() >= 25 and (said & on_patch).sum() >= 0.95 * on_patch.sum()
    assert (said & ~on_patch).sum() == 0


def evidence_of(run):
    from xai_core.runs.scoring import regions_of

    order = {row["sample_id"]: row for row in run.maps()}
    for sample_id in run.records()["sample_id"]:
        yield regions_of(run, [order[sample_id]], run.settings["region_rule"])[0]


def patch_share(row: dict, evidence: np.ndarray) -> float:
    """Return the share of the evidence in the box of the planted patch; 0 where there is none."""
    if not row["meta_has_patch"] or not evidence.any():
        return 0.0
    height, width = evidence.shape
    top, bottom = (round(row[f"meta_patch_y{end}"] * height / row["height"]) for end in ("min", "max"))
    left, right = (round(row[f"meta_patch_x{end}"] * width / row["width"]) for end in ("min", "max"))
    return evidence[top:bottom, left:right].sum() / evidence.sum()
