"""LIME against the lime package: the same segments, pictures, coefficients and masks; and the stability of a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explainers_fixtures import SIZE, Linear, hashes, mobilenet, pictures, real_frames, small, wrap

from xai_core.explainers import explain
from xai_core.explainers.lime import design, segment
from xai_core.explainers.request import seed_of
from xai_core.explainers.surrogate import RIDGE, fit, jaccard, kernel, strongest


def the_packages(classifier, frame, image_hash, samples, **more):
    """What lime gives as the source article calls it (METHODS 1), and the pictures it asked about."""
    from lime.lime_image import LimeImageExplainer

    asked = []

    def predict(images):
        asked.append(images)
        return classifier.probabilities(classifier.normalise(images)).numpy()

    explainer = LimeImageExplainer(random_state=seed_of(image_hash, "lime", 0))
    settings = {"top_labels": 1, "hide_color": 0, "num_samples": samples} | more
    return explainer.explain_instance(frame, predict, **settings), np.concatenate(asked)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    import lime.lime_image

    monkeypatch.setattr(lime.lime_image, "tqdm", lambda rows: rows)


def ours_for(classifier, frames, targets, samples, *, rows=None, **more):
    """What the door gives, with passes of `rows` pictures (as many as images by default)."""
    padded = np.resize(frames, (rows or len(frames), *frames.shape[1:]))
    more = {"image_hashes": hashes(len(frames)), "parameters": {"num_samples": samples}} | more
    return explain(classifier, classifier.normalise(padded), targets, "lime", frames=frames, valid=len(frames), **more)


@pytest.mark.parametrize("classes", [2, 4])
def test_coefficients_equal_lime_for_a_linear_classifier(classes):
    classifier, frames = wrap(Linear(classes), classes), pictures(3)
    ours = ours_for(classifier, frames, [lambda p: p.argmax(1), lambda p: p.argmin(1)], 300)
    for k, name in enumerate(hashes(3)):
        labels = [int(explained.targets[k]) for explained in ours]
        theirs, _ = the_packages(classifier, frames[k], name, 300, top_labels=None, labels=labels)
        assert np.array_equal(theirs.segments, ours[0].segments[k].numpy())
        for explained, label in zip(ours, labels, strict=True):
            found = explained.coefficients[k].numpy()
            expected = dict(theirs.local_exp[label])
            assert np.isfinite(found).sum() == len(expected) == theirs.segments.max() + 1
            np.testing.assert_allclose([expected[s] for s in sorted(expected)], found[: len(expected)], atol=1e-6)
            np.testing.assert_allclose(explained.intercepts[k], theirs.intercept[label], atol=1e-6)
        # lime keeps the score of the last label alone
        np.testing.assert_allclose(ours[-1].r2[k], theirs.score, atol=1e-5)


def test_the_network_sees_the_pictures_that_lime_composes():
    classifier, frames = wrap(Linear(3), 3), pictures(2)
    seen = []
    handle = classifier.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    ours_for(classifier, frames, [torch.tensor([0, 1])], 25)
    handle.remove()
    # a batch of two throughout: first the two images, which are the first row of each, then the rows across both
    assert {tuple(batch.shape) for batch in seen} == {(2, 3, *SIZE)}
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch in seen)
    theirs = [the_packages(classifier, frames[k], hashes(2)[k], 25)[1] for k in range(2)]
    assert torch.equal(seen[0], classifier.normalise(np.stack([asked[0] for asked in theirs])))
    assert torch.equal(torch.cat(seen[1:]), classifier.normalise(np.concatenate([asked[1:] for asked in theirs])))


def test_the_design_is_limes():
    classifier, frame = wrap(Linear(3), 3), pictures(1)[0]
    theirs, asked = the_packages(classifier, frame, "ab", 40)
    drawn = design(int(theirs.segments.max()) + 1, 40, seed_of("ab", "lime", 0))
    assert drawn[0].all()
    for row, picture in zip(drawn, asked, strict=True):
        assert np.array_equal(picture, frame * row[theirs.segments][..., None])


def test_segments_are_limes_whatever_its_seed():
    from lime.wrappers.scikit_image import SegmentationAlgorithm

    frame = pictures(1)[0]
    for seed in (0, 123):
        theirs = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=seed)(frame)
        assert np.array_equal(segment(frame), theirs)


def same_mask_as_lime(count, samples):
    classifier, frames = mobilenet(), real_frames(count)
    explained = ours_for(classifier, frames, [lambda p: p.argmax(1)], samples, rows=10)[0]
    for k in range(count):
        theirs, _ = the_packages(classifier, frames[k], hashes(count)[k], samples)
        label = int(explained.targets[k])
        assert theirs.top_labels[0] == label
        _, mask = theirs.get_image_and_mask(label, positive_only=True, num_features=5, hide_rest=False)
        coefficients = explained.coefficients[k].nan_to_num(-1.0)
        ours = strongest(coefficients)[explained.segments[k]].numpy()
        assert np.array_equal(ours, mask.astype(bool)), k
        painted = explained.coefficients[k][explained.segments[k]].float()
        assert torch.equal(painted, explained.heatmaps[k])


def test_the_top_five_mask_is_limes_on_real_images():
    same_mask_as_lime(2, 120)


@pytest.mark.long
def test_the_top_five_mask_is_limes_on_ten_real_images_at_full_length():
    same_mask_as_lime(10, 1000)


def test_the_kernel_is_limes():
    from sklearn.metrics import pairwise_distances

    drawn = torch.from_numpy(design(37, 200, 3))
    drawn[5] = False
    distances = pairwise_distances(drawn.double().numpy(), np.ones((1, 37)), metric="cosine").ravel()
    np.testing.assert_allclose(kernel(drawn).numpy(), np.sqrt(np.exp(-(distances**2) / 0.25**2)), atol=1e-14)


def slow_fit(rows, y, weights):
    from sklearn.linear_model import Ridge

    ridge = Ridge(alpha=RIDGE, fit_intercept=True).fit(rows, y, sample_weight=weights)
    return ridge.coef_, ridge.intercept_, ridge.score(rows, y, sample_weight=weights)


def test_the_closed_form_is_scikit_learns_ridge():
    rows = torch.from_numpy(design(31, 400, 1))
    y = torch.rand(400, 2, generator=torch.Generator().manual_seed(2))
    for k, surrogate in enumerate(fit(rows, y, 0)):
        coefficients, intercept, r2 = slow_fit(rows.numpy(), y[:, k].double().numpy(), kernel(rows).numpy())
        np.testing.assert_allclose(surrogate.coefficients, coefficients, atol=1e-12)
        np.testing.assert_allclose(surrogate.intercept, intercept, atol=1e-12)
        np.testing.assert_allclose(surrogate.r2, r2, atol=1e-12)


def top_five(coefficients):
    order = sorted(range(len(coefficients)), key=lambda s: -abs(coefficients[s]))
    return set([s for s in order if coefficients[s] > 0][:5])


def test_stability_is_the_mean_jaccard_of_refits_made_one_by_one():
    rows = torch.from_numpy(design(23, 150, 4))
    signal = rows.double() @ torch.linspace(-0.3, 0.5, 23).double()
    y = signal + torch.randn(150, generator=torch.Generator().manual_seed(0)).double() * 0.8
    surrogate = fit(rows, y[:, None], 11)[0]
    full = top_five(slow_fit(rows.numpy(), y.numpy(), kernel(rows).numpy())[0])
    found = []
    for drawn in np.random.default_rng(11).integers(150, size=(50, 150)):
        picked = rows[drawn]
        again = top_five(slow_fit(picked.numpy(), y[drawn].numpy(), kernel(picked).numpy())[0])
        found.append(len(full & again) / len(full | again))
    assert 0.2 < np.mean(found) < 0.9
    assert float(surrogate.stability) == pytest.approx(np.mean(found), abs=1e-12)


def test_stability_is_one_without_noise_and_of_the_negated_its_own():
    rows = torch.from_numpy(design(23, 300, 4))
    y = rows.double() @ torch.linspace(-0.3, 0.5, 23).double()
    surrogate = fit(rows, y[:, None], 0)[0]
    assert float(surrogate.stability) == 1.0
    other = surrogate.negated()
    again = fit(rows, 1 - y[:, None], 0)[0]
    torch.testing.assert_close(other.coefficients, again.coefficients)
    torch.testing.assert_close(other.intercept, again.intercept)
    torch.testing.assert_close(other.stability, again.stability)
    assert not torch.equal(strongest(other.coefficients), strongest(surrogate.coefficients))


def test_two_classes_need_one_fit():
    classifier, frames = small(2), pictures(2)
    benign, malignant = ours_for(classifier, frames, [torch.tensor([0, 0]), torch.tensor([1, 1])], 200)
    assert torch.equal(benign.heatmaps, -malignant.heatmaps)
    torch.testing.assert_close(benign.intercepts + malignant.intercepts, torch.ones(2, dtype=torch.float64))
    assert torch.equal(benign.r2, malignant.r2)


def test_strongest_takes_five_positive_segments_at_most():
    picked = strongest(torch.tensor([[0.1, -9, 0.3, 0.2, 0.5, 0.4, 0.6], [-1, -2, 0, -3, 0, 0, 1e-9], [0.0] * 7]))
    assert picked.sum(1).tolist() == [5, 1, 0]
    assert picked[0].tolist() == [False, False, True, True, True, True, True]
    assert strongest(torch.tensor([0.5])).tolist() == [True]
    assert jaccard(picked[0], picked[1]).item() == pytest.approx(1 / 5)
    assert jaccard(picked[2], picked[2]).item() == 1.0  # two empty sets agree


def test_one_segment():
    classifier, frames = small(), pictures(2)
    one = ours_for(classifier, frames, [torch.tensor([0, 1])], 50, segments=np.zeros((2, *SIZE), np.uint8))[0]
    assert one.coefficients.shape == (2, 1)
    assert torch.isfinite(one.stability).all()
    assert len(one.heatmaps[0].unique()) == 1


def test_constant_images_and_a_classifier_that_never_changes_its_mind():
    frames = np.full((2, *SIZE, 3), 90, np.uint8)
    frames[1] = 0  # black: hiding a segment changes nothing
    explained = ours_for(small(), frames, [torch.tensor([0, 1])], 50)[0]
    assert torch.isfinite(explained.stability).all()
    assert explained.heatmaps[1].abs().max() < 1e-9
    assert explained.r2[1] == 1.0


def test_more_segments_than_a_byte_holds():
    classifier, frames = wrap(Linear(3), 3), pictures(1)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    segments = (y // 2 * 14 + x // 4).astype(np.uint16)[None]  # 280 blocks of 2 x 4
    explained = ours_for(classifier, frames, [torch.tensor([2])], 700, segments=segments)[0]
    theirs, _ = the_packages(
        classifier, frames[0], hashes(1)[0], 700, top_labels=None, labels=[2], segmentation_fn=lambda _: segments[0]
    )
    expected = dict(theirs.local_exp[2])
    assert len(expected) == 280
    np.testing.assert_allclose(explained.coefficients[0], [expected[s] for s in range(280)], atol=1e-6)


def test_images_of_different_segment_counts_share_a_batch():
    classifier, frames = small(), pictures(2)
    segments = np.stack([segment(frames[0]), np.indices(SIZE)[1] // 28])
    both = ours_for(classifier, frames, [torch.tensor([0, 1])], 80, segments=segments)[0]
    assert both.coefficients.isnan().sum(1).tolist() == [0, int(segments[0].max()) + 1 - 2]


def test_only_negative_coefficients_give_no_strongest_segment():
    class Dark(torch.nn.Module):
        """The more light, the less likely is class 0."""

        def forward(self, x):
            light = x.mean((1, 2, 3))
            return torch.stack([-light, light], 1)

    explained = ours_for(wrap(Dark(), 2), pictures(1), [torch.tensor([0])], 200)[0]
    assert (explained.coefficients[0] < 0).all()
    assert not strongest(explained.coefficients).any()
    assert explained.stability[0] == 1.0
