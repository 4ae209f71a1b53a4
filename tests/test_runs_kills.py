"""A run that is killed at any moment goes on and ends as if nothing had happened."""

from __future__ import annotations

import pandas as pd
import pytest
from killing import kill_while_working, run
from runs_fixtures import CLASSES, make_dataset, tiny_classifier

from xai_core.models import save_weights
from xai_core.runs import open_run
from xai_core.runs.scoring import read_scores


def arguments(folder, out, *more):
    data = f"table:{folder}/samples.csv?classes={','.join(CLASSES)}"
    model = (
        f"import:runs_fixtures:tiny_network?weights={folder}/tiny.safetensors&classes={','.join(CLASSES)}&size=40x64"
    )
    return [
        "explain", data, "--model", model, "--method", "lime", "--set", "num_samples=120", "--out", out,
        "--target", "predicted,label", "--part-size", 2, "--batch-size", 4, "--threads", 1, *more,
    ]  # fmt: skip


def prepare(folder, n):
    dataset = make_dataset(folder, n)
    table = pd.DataFrame(
        {
            "image": [s.image.name for s in dataset.samples],
            "label": [None if s.label is None else CLASSES[s.label] for s in dataset.samples],
            "mask": [getattr(s.annotation, "path", None) and s.annotation.path.name for s in dataset.samples],
        }
    )
    table.to_csv(folder / "samples.csv", index=False)
    save_weights(tiny_classifier().network.state_dict(), folder / "tiny.safetensors")


def campaign(folder, kills, seed):
    prepare(folder, 40)
    whole = run(arguments(folder, folder / "whole", "--workers", 0))
    assert whole.returncode == 0, whole.stderr
    found_working = 0
    # a run that got to its end between two kills is compared, and the next kill meets a new one
    for number in range(0, kills, 2):
        killed = folder / f"killed-{number}"
        again = arguments(folder, killed, "--workers", 1, "--resume")
        found_working += kill_while_working(again, "images explained", 2, seed + number, longest=0.5)
        compare(folder / "whole", killed)
    assert found_working >= kills / 2, "the moments were chosen too late to say anything"


def compare(whole, killed):
    for target in ("predicted", "label"):
        a, b = open_run(whole / target), open_run(killed / target)
        assert a.manifest["content_digest"] == b.manifest["content_digest"]
        assert b.verify() == []
        pd.testing.assert_frame_equal(a.records(), b.records(), check_exact=True)
        pd.testing.assert_frame_equal(read_scores(a), read_scores(b), check_exact=True)
        assert not list(b.folder.rglob("*.tmp"))


def test_six_kills(tmp_path):
    campaign(tmp_path, 6, seed=1)


@pytest.mark.long
def test_thirty_kills(tmp_path):
    campaign(tmp_path, 30, seed=2)
