"""`i2x mend` from the command line, killed while it works: nothing is lost but the epoch in work, no byte differs."""

from __future__ import annotations

import json

import pytest
from killing import kill_while_working
from mend_fixtures import make_track, train_tiny
from training_fixtures import ROOT, contents

from xai_core.cli import main
from xai_core.i2x.strategies import STRATEGIES


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.long)])
def test_a_killed_mending_ends_the_same(tmp_path, monkeypatch, capsys, kills):
    monkeypatch.chdir(ROOT)
    spec = train_tiny(tmp_path)
    make_track(tmp_path / "track", spec, tmp_path / "model")
    asked = ["i2x", "mend", tmp_path / "track", "--pair", "A,B", "--prototype", 1, "--repeats", 2, "--threads", 1]
    assert main([*map(str, asked), "--out", str(tmp_path / "whole")]) == 0
    said = capsys.readouterr().out
    for name in ("before", *STRATEGIES):
        assert f"\n  {name} " in said
    assert "\nNo gain was seen" in said or "\nA gain was seen" in said
    killed = [*asked, "--out", tmp_path / "killed", "--resume", "--json"]
    working = kill_while_working(killed, "repeat 1 of 2: curated", kills, seed=3, longest=0.5)
    assert working >= 1
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert main([*map(str, killed)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "whole" / "mend.json").read_text())
