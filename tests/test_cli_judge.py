"""`judge` as it is typed: its report, its preview, and what it refuses."""

from __future__ import annotations

import io
import json

import pytest
from language_fixtures import make_run

from xai_core.cli import main
from xai_core.language import privacy, store


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, 6, broken=1)


def test_the_default_judge_measures_and_reports(run, capsys):
    assert main(["judge", str(run.folder)]) == 0
    told = capsys.readouterr()
    assert "measured: 7 records" in told.out and "1 unanswered" in told.out and "7 of 7 records judged" in told.err
    assert store.names(run) == ["measured"]


def test_nothing_answered_is_an_error_that_says_why(run, tmp_path, capsys):
    for image in (tmp_path / "data").glob("*.png"):
        image.unlink()
    assert main(["judge", str(run.folder)]) == 2
    told = capsys.readouterr().err
    assert "unanswered: 1 of 7, for example there is no map" in told
    assert "unanswered: 6 of 7, for example" in told and ".png: expected" in told
    assert told.rstrip().endswith("error: no record was answered")
    assert main(["judge", str(run.folder), "--preview", str(tmp_path / "p.html")]) == 2
    assert "expected a record to show to a judge; found" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()


def test_json_is_one_object_with_counts_and_scores(run, capsys):
    assert main(["judge", str(run.folder), "--json", "--limit", "3", "--name", "few"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "few" and told["counts"]["records"] == 3 and sum(told["scores"].values()) <= 3
    assert told["judge"]["name"] == "measured" and told["judge"]["remote"] is False


def test_the_words_follow_the_prompt(run):
    for words in ("clinical", "general"):
        assert main(["judge", str(run.folder), "--prompt", words, "--name", words]) == 0
    tables = {words: store.open_judgements(run, words).table()["description"] for words in ("clinical", "general")}
    assert tables["clinical"].str.contains("lesion").any() and not tables["general"].str.contains("lesion").any()


REMOTE = ["--judge", "openai", "--url", "https://api.example.com/v1", "--model", "m"]


def test_the_preview_is_written_and_nothing_is_judged(run, tmp_path, capsys):
    page = tmp_path / "preview.html"
    assert main(["judge", str(run.folder), *REMOTE, "--preview", str(page)]) == 0
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 3 and "api.example.com" in text and "malignant" in text
    assert "nothing was sent" in capsys.readouterr().out and store.names(run) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (REMOTE, "--allow-remote api.example.com"),
        ([*REMOTE, "--allow-remote", "other.example.com", "--yes"], "leave for other.example.com"),
        ([*REMOTE, "--allow-remote", "api.example.com"], "add --yes"),
        (["--judge", "openai", "--url", "http://localhost:1/v1"], "expected the judge's model"),
        (["--judge", "openai", "--url", "nowhere", "--model", "m"], "http://HOST"),
        (["--judge", "transformers"], "expected the judge's model"),
        (["--judge", "openai", "--url", "http://localhost:abc/v1", "--model", "m"], "http://HOST"),
        (["--view", "original"], "masked, overlay, region"),
        (["--prompt", "nothing.md"], "a prompt"),
        (["--name", "../out"], "a name of letters"),
    ],
)
def test_what_is_refused_in_one_line(run, capsys, monkeypatch, arguments, said):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv(privacy.CLINICAL, raising=False)
    assert main(["judge", str(run.folder), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and said in error
    assert store.names(run) == []


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


def test_who_does_not_type_the_name_of_the_host_sends_nothing(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert main(["judge", str(run.folder), *REMOTE, "--allow-remote", "api.example.com"]) == 2
    error = capsys.readouterr().err
    assert "will be sent to api.example.com" in error and "nothing was sent" in error and store.names(run) == []


def test_clinical_data_are_refused_even_to_a_host_that_was_confirmed(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(privacy.CLINICAL, raising=False)
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path, clinical=True)
    assert main(["judge", str(run.folder), *REMOTE, "--allow-remote", "api.example.com", "--yes"]) == 2
    assert "clinical data" in capsys.readouterr().err
