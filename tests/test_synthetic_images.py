"""The synthetic pictures: the same from the same seed, true to their metadata, with a shortcut in benign ones alone."""

from itertools import islice

import numpy as np
import pytest

from xai_core.datasets.synthetic import SIZE, add_patch, draw, generate
from xai_core.datasets.synthetic.canvas import LEVELS, Canvas
from xai_core.datasets.synthetic.rule import SUSPICIOUS, Traits, abcd_score, chance_of_malignant, draw_traits

SEED = 11


@pytest.fixture(scope="module")
def drawn():
    return list(generate(40, SEED))


def same(a, b):
    return np.array_equal(a.image, b.image) and np.array_equal(a.mask, b.mask) and a.metadata == b.metadata


def test_image_k_owes_nothing_to_n_nor_to_order(drawn):
    assert all(same(a, b) for a, b in zip(generate(3, SEED), drawn[:3], strict=True))
    assert same(draw(31, SEED), drawn[31])
    assert not same(draw(31, SEED + 1), drawn[31])


def test_arrays_have_the_promised_form(drawn):
    for one in drawn:
        assert one.image.shape == (*SIZE, 3) and one.image.dtype == np.uint8
        assert one.mask.shape == SIZE and one.mask.dtype == bool
        assert (one.image % LEVELS == 0).all()


def test_the_lesion_is_one_piece_whole_within_the_picture_and_of_the_recorded_area(drawn):
    cv2 = pytest.importorskip("cv2")
    for one in drawn:
        edge = np.concatenate([one.mask[0], one.mask[-1], one.mask[:, 0], one.mask[:, -1]])
        assert not edge.any()
        assert round(one.mask.mean(), 5) == one.metadata["lesion_area_fraction"]
        _, _, pieces, _ = cv2.connectedComponentsWithStats(one.mask.astype(np.uint8), connectivity=8)
        assert pieces[1:, cv2.CC_STAT_AREA].max() >= 0.98 * one.mask.sum()


def test_the_mask_is_where_the_colour_changes():
    cv2 = pytest.importorskip("cv2")
    fitting = 0
    bare = [one for one in generate(48, SEED, patches=False, size=(72, 96)) if clear(one)]
    for one in bare:
        ring = cv2.dilate(one.mask.astype(np.uint8), np.ones((11, 11))).astype(bool)
        skin = np.median(one.image[~ring], axis=0)
        far = np.abs(one.image - skin).sum(axis=2)
        lesion = np.median(far[one.mask])
        fitting += lesion > 2.5 * np.median(far[~ring])
        # a mask moved by a tenth of the picture fits the colours worse
        moved = np.roll(one.mask, (7, 10), axis=(0, 1))
        assert far[one.mask].mean() > far[moved].mean()
    assert len(bare) >= 8 and fitting == len(bare)


def clear(one):
    return not (one.metadata["hairs"] or one.metadata["bubbles"] or one.metadata["dark_corners"])


def test_the_longest_chord_is_the_diameter_at_the_recorded_scale(drawn):
    for one in drawn:
        points = np.argwhere(one.mask)
        hull = points[np.unique([f(points @ d) for d in directions() for f in (np.argmin, np.argmax)])]
        chord = np.sqrt(((hull[:, None] - hull[None]) ** 2).sum(axis=-1)).max() + 1
        assert chord == pytest.approx(one.metadata["diameter_mm"] * one.metadata["pixels_per_mm"], abs=5)


def directions():
    turns = np.linspace(0, np.pi, 90)
    return np.stack([np.sin(turns), np.cos(turns)], axis=1)


def test_recorded_asymmetry_is_seen_in_the_mask(drawn):
    recorded = [one.metadata["asymmetry"] for one in drawn]
    ranks = np.argsort(np.argsort([[*recorded], [lopsidedness(one.mask) for one in drawn]], axis=1), axis=1)
    assert np.corrcoef(ranks)[0, 1] > 0.6


def lopsidedness(mask):
    """1 - IoU of a mask and itself turned by half a turn around its centroid."""
    points = np.argwhere(mask)
    turned = np.round(2 * points.mean(axis=0) - points).astype(int)
    inside = ((turned >= 0) & (turned < mask.shape)).all(axis=1)
    both = mask[tuple(turned[inside].T)].sum()
    return 1 - both / (2 * len(points) - both)


def test_each_colour_brings_its_hue():
    def reddest(one):
        pixels = one.image[one.mask].astype(float)
        return np.quantile((pixels[:, 0] + 10) / (pixels[:, 1] + 10), 0.95)

    def bluest(one):
        pixels = one.image[one.mask].astype(float)
        return np.quantile((pixels[:, 2] + 10) / (pixels[:, 0] + 10), 0.95)

    many = [one for one in generate(60, SEED, patches=False, size=(72, 96)) if one.metadata["skin_tone"] <= 3]
    for name, hue in (("red", reddest), ("blue_grey", bluest)):
        got = {
            found: np.median([hue(o) for o in many if (name in o.metadata["colour_names"]) == found])
            for found in (0, 1)
        }
        assert got[1] > got[0] + 0.1


def test_patches_lie_beside_benign_lesions_only_and_are_the_only_change(drawn):
    patched = [one for one in drawn if one.metadata["has_patch"]]
    benign = [one for one in drawn if one.label == "benign"]
    assert 0.3 < len(patched) / len(benign) < 0.7
    assert all(one.label == "benign" for one in patched)
    for one, bare in zip(drawn[:16], generate(16, SEED, patches=False), strict=True):
        assert np.array_equal(one.mask, bare.mask) and one.label == bare.label
        changed = (one.image != bare.image).any(axis=2)
        assert not (changed & one.mask).any()
        assert changed.any() == one.metadata["has_patch"]
        if one.metadata["has_patch"]:
            x0, y0, x1, y1 = (one.metadata[f"patch_{c}"] for c in ("xmin", "ymin", "xmax", "ymax"))
            changed[y0:y1, x0:x1] = False
            assert not changed.any()
            assert x0 == 0 or y0 == 0 or x1 == SIZE[1] or y1 == SIZE[0]
        else:
            assert one.metadata["patch_xmin"] is None


def test_any_image_can_be_given_the_patch_that_a_benign_one_would_have(drawn):
    k = next(k for k, one in enumerate(drawn) if one.metadata["has_patch"] and not one.metadata["has_ruler"])
    bare = draw(k, SEED, patches=False)
    again, box = add_patch(bare.image, bare.mask, SEED, k)
    assert np.array_equal(again, drawn[k].image)
    assert box == tuple(drawn[k].metadata[f"patch_{c}"] for c in ("xmin", "ymin", "xmax", "ymax"))
    m = next(k for k, one in enumerate(drawn) if one.label == "malignant")
    given, box = add_patch(drawn[m].image, drawn[m].mask, SEED, m)
    assert box and (given != drawn[m].image).any()
    assert np.array_equal(given[drawn[m].mask], drawn[m].image[drawn[m].mask])


def test_no_place_for_a_patch_leaves_the_image_alone():
    image = np.full((72, 96, 3), 120, np.uint8)
    unchanged, box = add_patch(image, np.ones((72, 96), bool), SEED, 0)
    assert box is None and unchanged is image


def test_ruler_marks_are_a_millimetre_apart():
    one = next(o for o in generate(120, SEED) if o.metadata["has_ruler"] and clear(o) and not o.metadata["has_patch"])
    x0, y0, x1, y1 = (one.metadata[f"ruler_{c}"] for c in ("xmin", "ymin", "xmax", "ymax"))
    strip = one.image[y0:y1, x0:x1].mean(axis=2)
    strip = strip if strip.shape[1] > strip.shape[0] else strip.T
    # the five rows next to the picture's edge hold long and short marks alike
    outer = strip[:5] if y0 < 10 or x0 < 10 else strip[-5:]
    signal = outer.mean(axis=0) - outer.mean()
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)), 4096))
    spectrum[: int(4096 / 25)] = 0
    period = 4096 / np.argmax(spectrum[: int(4096 / 6)])
    assert period == pytest.approx(one.metadata["pixels_per_mm"], rel=0.04)


def test_another_size_shows_the_same_scene(drawn):
    cv2 = pytest.importorskip("cv2")
    for k in (2, 5):
        large = draw(k, SEED, size=(288, 384))
        small = cv2.resize(large.mask.astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_AREA) > 0
        assert large.label == drawn[k].label and large.metadata["abcd_score"] == drawn[k].metadata["abcd_score"]
        assert small.any() and large.metadata["pixels_per_mm"] == pytest.approx(
            2 * drawn[k].metadata["pixels_per_mm"], rel=1e-2
        )
    upright = draw(4, SEED, size=(192, 144))
    assert upright.image.shape == (192, 144, 3) and upright.mask.any() and not upright.mask[:, [0, -1]].any()


@pytest.mark.parametrize(
    ("traits", "score"),
    [((0.0, 0, 1, 4.0), 1.5), ((2.0, 8, 6, 13.0), 8.9), ((1.0, 4, 3, 6.4), 4.8), ((0.5, 2, 2, 11.0), 4.35)],
)
def test_score_by_hand(traits, score):
    assert abcd_score(*traits) == score


def test_the_label_follows_the_score_and_is_a_lot_in_the_zone():
    lots = {"below": [], "low": [], "high": [], "above": []}
    middle = sum(SUSPICIOUS) / 2
    for k in range(2000):
        traits, label = draw_traits(np.random.default_rng(k), 0.5)
        assert isinstance(traits, Traits)
        zone = np.searchsorted([SUSPICIOUS[0], middle, SUSPICIOUS[1]], traits.score)
        lots[("below", "low", "high", "above")[zone]].append(label == "malignant")
    assert not any(lots["below"]) and all(lots["above"])
    assert 0.15 < np.mean(lots["low"]) < 0.36 and 0.64 < np.mean(lots["high"]) < 0.85
    assert chance_of_malignant(middle) == pytest.approx(0.5)


def test_patients_share_what_patients_share(drawn):
    groups = {}
    for one in drawn:
        groups.setdefault(one.metadata["group"], []).append(one)
    pairs = [g for g in groups.values() if len(g) == 2]
    assert pairs and max(map(len, groups.values())) == 2
    for pair in pairs:
        for column in ("split", "age", "sex", "skin_tone"):
            assert pair[0].metadata[column] == pair[1].metadata[column]
        assert not np.array_equal(pair[0].mask, pair[1].mask)
    first = [one.metadata["split"] for one in islice(drawn, 40)]
    assert [first.count(s) for s in ("train", "validation", "test")] == [24, 6, 10]


def test_noise_and_cracks_against_slow_twins():
    canvas = Canvas((37, 53))
    noise = np.stack([canvas.noise(np.random.default_rng(k), 6.0 * 144 / 37) for k in range(60)])
    assert abs(noise.mean()) < 0.05 and noise.std() == pytest.approx(1.0, abs=0.08)
    # without jitter the cells are a honeycomb whose centres are a cell apart: its walls are where two are nearest
    got = canvas.cracks(np.random.default_rng(0), 7.0 / canvas.unit, 0.0)
    rows, columns = np.meshgrid(np.arange(-2, 9), np.arange(-3, 12), indexing="ij")
    centres = np.stack([rows - 0.5, columns + 0.5 + 0.5 * (rows % 2)], axis=-1).reshape(-1, 2)
    pixels = np.stack(np.broadcast_arrays(canvas.y, canvas.x), axis=-1).reshape(-1, 1, 2) / 7.0
    near = np.sort(np.sqrt(((pixels - centres) ** 2).sum(axis=-1)), axis=1)
    assert np.allclose(got.ravel(), near[:, 1] - near[:, 0])
