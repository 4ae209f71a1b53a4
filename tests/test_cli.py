"""The command line: results to stdout, the rest to stderr, bad input in one line with exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from killing import ROOT, environment, run
from test_runs_kills import arguments, prepare

from xai_core.cli import COMMANDS, main
from xai_core.cli.output import interval, number, table
from xai_core.explainers import METHODS

DEMO = str(ROOT / "sample_data" / "models" / "demo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    prepare(folder, 6)
    finished = run(arguments(folder, folder / "run", "--workers", 0))
    assert finished.returncode == 0, finished.stderr
    return folder


def loaded_by(code: str) -> set[str]:
    """Return the top-level packages that a fresh Python has loaded after `code`."""
    report = "import sys, json; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, env=environment(), check=True
    )
    return set(json.loads(finished.stdout.splitlines()[-1]))


def test_the_package_and_its_help_load_nothing_heavy():
    heavy = {"numpy", "torch", "timm", "pandas", "pyarrow", "sklearn", "scipy", "skimage", "cv2", "PIL", "streamlit"}
    assert not loaded_by("import xai_core") & heavy
    help_ = "import contextlib, io, xai_core.cli\nwith contextlib.redirect_stdout(io.StringIO()):\n" + (
        "    try: xai_core.cli.main(['--help'])\n    except SystemExit: pass"
    )
    assert not loaded_by(help_) & heavy


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_torch(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert COMMANDS[command] in capsys.readouterr().out


def test_help_names_every_method_and_format(capsys):
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    shown = capsys.readouterr().out
    for name, description in METHODS.items():
        assert name in shown and description.title in shown
        assert all(f"{parameter}=" in shown for parameter in description.parameters)
    assert all(name in shown for name in ("isic2016", "imagenet", "table", "sample"))


def test_the_readme_has_the_methods_and_commands():
    readme = (ROOT / "README.md").read_text()
    for name, description in METHODS.items():
        kind = "signed" if description.signed else "unsigned"
        agnostic = "no" if description.class_agnostic else "yes"
        row = f"| `{name}` | {description.title} | {description.paper} | {kind} | {agnostic} | {description.needs} |"
        assert row + f" `{description.default_rule}` |" in readme
    assert "make demo" in readme and "make test" in readme


def test_summary_prints_json_of_designs_keys(folder, capsys):
    assert main(["summary", str(folder / "run" / "predicted"), "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["samples"] == 11 and summary["errors"] == 1
    names = "auc average_precision accuracy balanced_accuracy sensitivity specificity specificity_at_sensitivity_95 "
    names += "specificity_at_sensitivity_98 specificity_at_sensitivity_99 ece brier"
    assert set(names.split()) <= set(summary["metrics"])
    assert all({"value", "low", "high"} <= set(entry) for entry in summary["metrics"].values())
    for name in ("explanation_coverage", "ground_truth_coverage", "iou"):
        entry = summary["scores"][name]
        assert {"mean", "low", "high", "n", "undefined", "chance"} <= set(entry)
        assert {"random", "centre", "other"} == set(entry["chance"])
        assert all({"mean", "excess", "low", "high"} == set(level) for level in entry["chance"].values())
    assert len(summary["patterns"]) == 10
    assert main(["summary", str(folder / "run" / "predicted"), "--rule", "top_share:0.2"]) == 0
    assert "top_share:0.2" in capsys.readouterr().out


def test_check_prints_json_and_lists_every_problem(folder, capsys):
    assert main(["check", f"table:{folder}/samples.csv?classes=benign,malignant", "--json"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["samples"] == 11 and report["labels"] == {"benign": 5, "malignant": 5, "unlabelled": 1}
    kinds = {problem["kind"] for problem in report["problems"]}
    assert {"file_unreadable", "mask_size"} <= kinds
    assert all(set(problem) == {"kind", "file", "detail", "remedy"} for problem in report["problems"])
    assert "samples checked" in printed.err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["summary", "nowhere"], "no such folder"),
        (["check", "isic2016:/nowhere"], "/nowhere"),
        (["check", "nonsense:."], "nonsense"),
        (["explain", "sample", "--model", "nowhere", "--method", "lime", "--out", "x"], "nowhere"),
        (["explain", "sample", "--model", "m", "--method", "lime", "--out", "x", "--set", "a=1"], "num_samples"),
        (
            ["explain", "sample", "--model", "m", "--method", "lime", "--out", "x", "--set", "num_samples=k"],
            "num_samples",
        ),
        (["explain", "sample", "--model", "m", "--method", "lime", "--out", "x", "--target", ","], "--target"),
        (["explain", "sample", "--model", DEMO, "--method", "lime", "--out", "x", "--device", "banana"], "banana"),
        (["explain", "sample", "--model", DEMO, "--method", "lime", "--out", DEMO], "other files"),
        (["explain", "sample", "--model", DEMO, "--method", "lime", "--out", f"{DEMO}/card.json"], "a file"),
        (["explain", "sample", "--model", DEMO, "--method", "lime", "--out", f"{DEMO}/card.json/x"], "card.json"),
        (["explain", "sample", "--model", DEMO, "--method", "lime", "--out", "x", "--threads", "100000"], "1024"),
        (["train", "sample", "--out", f"{DEMO}/card.json/x"], "card.json"),
        (["train", "sample", "--out", "x", "--pathway", "scratch", "--epochs", "-3"], "epochs"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(asked, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(asked) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and said in printed.err
    assert len(printed.err.splitlines()) == 1 and printed.err.startswith("error: ")
    assert not Path("x").exists()


EXPLAIN = ["explain", "sample", "--model", "m", "--method", "lime", "--out"]


@pytest.mark.parametrize(
    "more", [["x", "--workers", "-4"], ["x", "--seed", "9" * 30], [""], ["x", "--batch-size", "0"]]
)
def test_numbers_out_of_bounds_are_refused_at_once(more, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*EXPLAIN, *more])
    assert stop.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "asked", [[], ["nothing"], ["summary"], ["summary", "r", "--threshold", "2"], ["check", "--js"]]
)
def test_wrong_arguments_are_one_line_and_exit_2(asked, capsys):
    with pytest.raises(SystemExit) as stop:
        main(asked)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_data_set_without_a_usable_image_is_refused(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no image")
    pd.DataFrame({"image": ["a.png"], "label": ["x"]}).to_csv(tmp_path / "s.csv", index=False)
    assert main(["check", f"table:{tmp_path}/s.csv?classes=x,y"]) == 2
    printed = capsys.readouterr()
    assert "file_unreadable" in printed.out
    assert "error: " in printed.err.splitlines()[-1]


def test_tables_align():
    assert table(("", "n"), [("a", 1), ("long", 22)]) == "         n\n  a      1\n  long  22"
    assert number(None) == "-" and number(0.12345) == "0.123"
    assert interval(0.1, 0.25) == "0.100 to 0.250" and interval(None, 1.0) == ""
