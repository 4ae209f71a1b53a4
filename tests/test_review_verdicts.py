"""Verdicts: the state is what a slow twin says, nothing acknowledged is lost, and nothing is ever changed."""

from __future__ import annotations

import csv
import io
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killing import environment

from xai_core.errors import BadInput
from xai_core.review.verdicts import TAGS, VERDICTS, Verdicts

REVIEWERS, SAMPLES = ("Ada", "Ben"), ("a", "b", "c")
STEPS = st.one_of(
    st.tuples(st.just("give"), st.sampled_from(SAMPLES), st.sampled_from(list(VERDICTS))),
    st.tuples(st.just("tag"), st.sampled_from(SAMPLES), st.lists(st.sampled_from(list(TAGS)), unique=True)),
    st.tuples(st.just("note"), st.sampled_from(SAMPLES), st.sampled_from(["", "blurred", "=1+1", "été\nzwei"])),
    st.tuples(st.just("undo"), st.none(), st.none()),
)
RUN_KEYS = map(str, itertools.count())


@pytest.fixture
def verdicts(tmp_path) -> Verdicts:
    return Verdicts(tmp_path / "verdicts.sqlite")


class Twin:
    """The same by lists alone: every reviewer's own steps, and the state found by looking through all of them."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str, str, object]] = []

    def do(self, reviewer, kind, sample, value) -> str | None:
        if kind != "undo":
            self.steps.append((reviewer, kind, sample, value))
            return None
        for place in reversed(range(len(self.steps))):
            if self.steps[place][0] == reviewer:
                return self.steps.pop(place)[2]
        return None

    def state(self) -> dict:
        state = {}
        for sample in SAMPLES:
            last = {kind: (who, value) for who, kind, s, value in self.steps if s == sample}
            said = {kind: last[kind] for kind in ("give", "tag", "note") if kind in last and last[kind][1]}
            if said:
                state[sample] = (
                    said.get("give", ("", ""))[1],
                    set(said.get("tag", ("", []))[1]),
                    said.get("note", ("", ""))[1],
                    {who for who, _ in said.values()},
                )
        return state


@given(steps=st.lists(st.tuples(st.sampled_from(REVIEWERS), STEPS), max_size=10))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_is_that_of_a_slow_twin(verdicts, steps):
    key, twin = next(RUN_KEYS), Twin()
    for reviewer, (kind, sample, value) in steps:
        before = verdicts.version(key)
        if kind == "undo":
            answer = verdicts.undo(key, reviewer)
            assert (verdicts.version(key) > before) == (answer is not None)
        else:
            answer = getattr(verdicts, kind)(key, sample, value, reviewer)
            assert verdicts.version(key) > before
        assert answer == twin.do(reviewer, kind, sample, value)
    found = {
        sample: (said.verdict, set(said.tags), said.note, set(said.reviewer.split(", ")))
        for sample, said in verdicts.state(key).items()
    }
    assert found == twin.state()


def test_undo_twice_takes_back_two_and_falls_back(verdicts):
    verdicts.give("r", "a", "right_reasons", "Ada")
    verdicts.give("r", "a", "wrong_reasons", "Ben")
    verdicts.give("r", "b", "unsure", "Ben")
    assert verdicts.undo("r", "Ben") == "b"
    assert set(verdicts.state("r")) == {"a"}
    assert verdicts.undo("r", "Ben") == "a"
    assert (verdicts.state("r")["a"].verdict, verdicts.state("r")["a"].reviewer) == ("right_reasons", "Ada")
    assert verdicts.undo("r", "Ben") is None and verdicts.undo("other", "Ada") is None
    kinds = [(event.kind, event.undoes) for event in verdicts.history("r", "a")]
    assert kinds == [("verdict", None), ("verdict", None), ("undo", 2)]


def test_runs_are_apart_and_an_absent_file_is_not_made_by_reading(verdicts):
    assert (verdicts.state("r"), verdicts.version("r"), verdicts.history("r", "a")) == ({}, 0, [])
    assert not verdicts.path.exists()
    verdicts.note("r", "a", "one", "Ada")
    verdicts.note("s", "a", "two", "Ada")
    assert verdicts.state("r")["a"].note == "one" and verdicts.version("s") > verdicts.version("r")


def test_unknown_words_are_refused(verdicts):
    with pytest.raises(BadInput, match="right_reasons"):
        verdicts.give("r", "a", "good", "Ada")
    with pytest.raises(BadInput, match="artefact"):
        verdicts.tag("r", "a", ["artefact", "hair"], "Ada")
    assert not verdicts.path.exists()


def test_csv_cannot_be_a_formula_and_reads_back(verdicts):
    dangers = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
    for k, text in enumerate(dangers):
        verdicts.give("r", f"{text}{k}", "unsure", text)
        # a note is stripped of white space, an id and a name are not
        verdicts.note("r", f"{text}{k}", f'{text}, said "he"\nand she', text)
    verdicts.tag("s", "plain", ["interesting", "artefact"], "Ada")
    table = list(csv.DictReader(io.StringIO(verdicts.to_csv(), newline="")))
    assert list(table[0]) == ["run_key", "sample_id", "verdict", "tags", "note", "reviewer", "at"]
    assert not [cell for row in table for cell in row.values() if cell.startswith(tuple("=+-@\t\r"))]
    assert {row["sample_id"] for row in table} == {f"'{text}{k}" for k, text in enumerate(dangers)} | {"plain"}
    assert table[-1]["tags"] == "artefact;interesting"
    assert len(verdicts.to_csv("s").splitlines()) == 2


def test_events_can_neither_be_changed_nor_taken_out(verdicts):
    verdicts.give("r", "a", "unsure", "Ada")
    connection = sqlite3.connect(verdicts.path)
    for statement in ("UPDATE events SET reviewer = 'Ben'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            connection.execute(statement)
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_files_that_are_not_ours_are_refused_and_left_alone(tmp_path):
    newer = Verdicts(tmp_path / "newer.sqlite")
    newer.give("r", "a", "unsure", "Ada")
    other = Verdicts(tmp_path / "other.sqlite")
    text = Verdicts(tmp_path / "text.sqlite")
    text.path.write_bytes(b"no database, only a text that is long enough to be read as a header" * 20)
    for path, statements in [(newer.path, "PRAGMA user_version = 2"), (other.path, "CREATE TABLE mine (x)")]:
        connection = sqlite3.connect(path)
        connection.executescript(statements)
        connection.close()
    for verdicts, found in [(newer, "version 2"), (other, "another program"), (text, "not a database")]:
        before = verdicts.path.read_bytes()
        for use in (lambda v: v.state("r"), lambda v: v.give("r", "a", "unsure", "Ada"), lambda v: v.undo("r", "Ada")):
            with pytest.raises(BadInput, match=found):
                use(verdicts)
        assert verdicts.path.read_bytes() == before


WRITER = """
import sys
from xai_core.review.verdicts import Verdicts
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
verdicts = Verdicts(path)
for k in range(count):
    verdicts.give("r", f"{name}-{k}", "unsure", name)
    print(f"{name}-{k}", flush=True)
"""


def writer(path: Path, name: str, count: int, **more) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True, **more)


def test_four_processes_at_once_lose_nothing(verdicts):
    processes = [writer(verdicts.path, f"p{k}", 50) for k in range(4)]
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert set(verdicts.state("r")) == set(itertools.chain(*said)) and len(verdicts.state("r")) == 200
    assert verdicts.version("r") == 200


def test_a_file_that_another_makes_meanwhile_is_not_taken_for_a_foreign_one(verdicts, monkeypatch):
    verdicts.path.touch()
    other = threading.Thread(target=Verdicts(verdicts.path).give, args=("r", "a", "unsure", "Ada"))
    connect = verdicts._connect

    def let_in(statement):
        if "user_version" in statement and not other.ident:
            other.start()
            other.join(0.5)

    def watched():
        connection = connect()
        connection.set_trace_callback(let_in)
        return connection

    monkeypatch.setattr(verdicts, "_connect", watched)
    with verdicts.reading() as connection:
        assert connection is None, "as it was before the other came"
    other.join(20)
    assert set(verdicts.state("r")) == {"a"}


@pytest.mark.parametrize("heard", [1, 7, 23])
def test_a_killed_writer_leaves_all_that_it_acknowledged(verdicts, heard):
    process = writer(verdicts.path, "p", 100_000)
    acknowledged = [process.stdout.readline().strip() for _ in range(heard)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert set(verdicts.state("r")) >= set(acknowledged)
    verdicts.give("r", "after", "unsure", "Ada")
    connection = sqlite3.connect(verdicts.path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()


FULL = """
import resource, sys
from xai_core.errors import BadInput
from xai_core.review.verdicts import Verdicts
verdicts = Verdicts(sys.argv[1])
limit = verdicts.path.stat().st_size + 40_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for k in range(1000):
        verdicts.note("r", f"full-{k}", "x" * 5000, "Ada")
        print(f"full-{k}", flush=True)
except BadInput as error:
    print(error.remedy, file=sys.stderr)
"""


def test_a_full_disk_is_told_and_loses_nothing(verdicts):
    verdicts.give("r", "a", "unsure", "Ada")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(verdicts.path)], env=environment(), capture_output=True, text=True, check=True
    )
    assert "free some space" in done.stderr
    assert 0 < len(done.stdout.split()) < 1000
    assert set(verdicts.state("r")) == {"a", *done.stdout.split()}


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="folder that can be written"):
        Verdicts(tmp_path / "file" / "verdicts.sqlite").give("r", "a", "unsure", "Ada")
    with pytest.raises(BadInput, match="unable to open"):
        Verdicts(tmp_path).give("r", "a", "unsure", "Ada")


@pytest.mark.skipif(os.geteuid() == 0, reason="to root no file is read-only")
def test_a_read_only_file_is_told(verdicts):
    verdicts.give("r", "a", "unsure", "Ada")
    verdicts.path.chmod(0o444)
    with pytest.raises(BadInput, match="readonly"):
        verdicts.give("r", "b", "unsure", "Ada")
