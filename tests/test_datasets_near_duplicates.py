"""Near-duplicates: copies and second photographs are found, look-alikes are not, whatever the order."""

import io

import numpy as np
import pytest
from datasets_fixtures import picture, save
from PIL import Image, ImageEnhance
from scipy import ndimage

from xai_core.datasets import fingerprints, near_duplicates, open_dataset

LARGE = (210, 280)
# pairs of ISIC 2016 that show one lesion twice, found with keypoints at full size and looked at
SAME_LESION = (
    ("ISIC_0000240", "ISIC_0009998"), ("ISIC_0000392", "ISIC_0010475"), ("ISIC_0000396", "ISIC_0009880"),
    ("ISIC_0000410", "ISIC_0009955"), ("ISIC_0000416", "ISIC_0011292"), ("ISIC_0000420", "ISIC_0009910"),
    ("ISIC_0000427", "ISIC_0011333"), ("ISIC_0000433", "ISIC_0009896"), ("ISIC_0001134", "ISIC_0010016"),
)  # fmt: skip
# the pairs that look most alike of those that do not (dark rims, ovals in the middle)
LOOK_ALIKES = ("ISIC_0000316", "ISIC_0000347", "ISIC_0000355", "ISIC_0000328", "ISIC_0000358", "ISIC_0000349",
               "ISIC_0000374", "ISIC_0000211", "ISIC_0000470", "ISIC_0000080", "ISIC_0009933")  # fmt: skip


def take(path):
    return fingerprints.take(path)[1]


def dermoscopy(seed: int) -> np.ndarray:
    """Return a dark blob on bright skin, within a dark rim that is the same in every picture."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: LARGE[0], : LARGE[1]] / np.array(LARGE).reshape(2, 1, 1) - 0.5
    middle, axes = rng.uniform(-0.06, 0.06, 2), rng.uniform(0.12, 0.26, 2)
    blob = np.exp(-((((rows - middle[0]) / axes[0]) ** 2 + ((columns - middle[1]) / axes[1]) ** 2) ** 2))
    rim = ndimage.gaussian_filter((rows**2 + columns**2 > 0.22).astype(float), 1.5)
    texture = ndimage.gaussian_filter(rng.standard_normal(LARGE), 2) * 60
    grey = (200 + texture) * (1 - 0.6 * blob) * (1 - 0.85 * rim)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, -1)


def recompressed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)


CHANGES = {
    "quality": recompressed,
    "half": lambda image: image.resize((140, 105)),
    "shape": lambda image: image.resize((256, 256)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "cropped": lambda image: image.crop((25, 15, 265, 200)),
    "turned": lambda image: image.rotate(20, Image.Resampling.BICUBIC, fillcolor=(180, 180, 180)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("draw", [lambda k: picture(k, LARGE), dermoscopy], ids=["scene", "dermoscopy"])
def test_copies_are_found_among_look_alikes(tmp_path, change, draw):
    found = []
    for k in range(6):
        image = draw(k)
        found.append(take(save(tmp_path / f"{k}.png", image)))
        changed = np.asarray(change(Image.fromarray(image)).convert("RGB"))
        found.append(take(save(tmp_path / f"{k}c.png", changed)))
    assert near_duplicates.find(found) == [(k, k + 1) for k in range(0, 12, 2)]


@pytest.mark.parametrize("change", ["quality", "half", "shape", "brighter", "contrast"])
def test_copies_are_found_without_keypoints_too(tmp_path, monkeypatch, change):
    monkeypatch.setattr(near_duplicates, "KEYPOINT_LIMIT", 0)
    test_copies_are_found_among_look_alikes(tmp_path, CHANGES[change], dermoscopy)


def test_thumbnails_are_laid_on_each_other_exactly():
    rng = np.random.default_rng(0)
    wide = ndimage.gaussian_filter(rng.standard_normal((60, 60)), 1.5)
    wide = ((wide - wide.min()) / np.ptp(wide) * 255).astype(np.uint8)
    first, second = wide[10:42, 10:42], wide[6:38, 13:45]
    # four thumbnail pixels down and three to the left are five times as many in the keypoints' square
    by = fingerprints.SIZE / fingerprints.THUMBNAIL
    moved = np.array([[1, 0, -3 * by], [0, 1, 4 * by]])
    one_off = np.array([[1, 0, -2 * by], [0, 1, 4 * by]])
    agreement = near_duplicates._agreement_when_aligned
    assert agreement(first, second, moved) == pytest.approx(1, abs=1e-6)
    assert agreement(first, second, one_off) < 0.95
    side = fingerprints.SIZE - 1
    quarter = np.array([[0.0, 1, 0], [-1, 0, side]])
    assert agreement(first, np.rot90(first).copy(), quarter) == pytest.approx(1, abs=1e-6)


def test_only_pairs_of_different_parts_are_asked_for(tmp_path):
    path = save(tmp_path / "a.png", picture(0, LARGE))
    found = [take(path)] * 4
    assert near_duplicates.find(found, ["train", "train", "test", "train"]) == [(0, 2), (1, 2), (2, 3)]
    assert near_duplicates.find(found, ["train"] * 4) == []


def test_pictures_of_one_colour_are_no_duplicates(tmp_path):
    found = [take(save(tmp_path / f"{v}.png", np.full((50, 70, 3), v, np.uint8))) for v in (0, 120, 255)]
    assert near_duplicates.find(found) == []
    assert near_duplicates.find(found[:1]) == near_duplicates.find([]) == []


def test_order_does_not_matter(tmp_path):
    images = [dermoscopy(k) for k in range(12)]
    images += [np.rot90(image) for image in images[::3]]
    found = [take(save(tmp_path / f"{k}.png", image)) for k, image in enumerate(images)]
    pairs = near_duplicates.find(found)
    assert pairs == [(0, 12), (3, 13), (6, 14), (9, 15)]
    order = np.random.default_rng(1).permutation(len(found))
    again = near_duplicates.find([found[k] for k in order])
    assert sorted(tuple(sorted((int(order[i]), int(order[j])))) for i, j in again) == pairs


def slow_clusters(count, pairs):
    labels = list(range(count))
    for _ in range(count):
        for i, j in pairs:
            labels[i] = labels[j] = min(labels[i], labels[j])
    return labels


def test_clusters_are_linked_pairs():
    rng = np.random.default_rng(0)
    for _ in range(50):
        pairs = [tuple(sorted(map(int, pair))) for pair in rng.integers(0, 12, (7, 2))]
        assert near_duplicates.clusters(12, pairs).tolist() == slow_clusters(12, pairs)


def test_lesions_that_isic_shows_twice(real_data):
    samples = {s.id: s for s in open_dataset(f"isic2016:{real_data}/isic2016").samples}
    names = sorted({name for pair in SAME_LESION for name in pair} | set(LOOK_ALIKES) | set(list(samples)[::12]))
    found = fingerprints.in_threads(take, [samples[name].image for name in names])
    pairs = {(names[i], names[j]) for i, j in near_duplicates.find(found)}
    assert pairs >= set(SAME_LESION)
    # both of one lesion by chance among every twelfth image; nothing else
    assert pairs - set(SAME_LESION) <= {("ISIC_0000423", "ISIC_0010571"), ("ISIC_0000444", "ISIC_0011166")}
