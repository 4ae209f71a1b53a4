"""The archive: no byte changes unnoticed, two writers lose nothing, and one file carries it whole."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killing import environment
from review_fixtures import SIZES, SQUASH, picture, record, write_run

from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.files import sealed, write_json
from xai_core.release import journal
from xai_core.release.archive import Archive
from xai_core.release.archive_diff import changed_settings, diff, sentences
from xai_core.release.archive_entry import Entry
from xai_core.release.drift import drift
from xai_core.review.tiles import tiles
from xai_core.runs import rows
from xai_core.runs.tables import table_of


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path / "archive")


def make_run(folder: Path, name: str, n: int = 12, change=lambda row: row, **more):
    """Return a run of `n` records over pictures that all runs of `folder` share."""
    root = folder / "data"
    root.mkdir(exist_ok=True)
    records = []
    for k in range(n):
        cv2.imwrite(str(root / f"id{k:03d}.png"), picture(SIZES[0], k))
        image_hash = hashlib.sha256((root / f"id{k:03d}.png").read_bytes()).hexdigest()
        records.append(change(record(k, SIZES[0], SQUASH, image_hash=image_hash)))
    return write_run(folder / name, root, records, **{"split": "test"} | more)


def small(archive: Archive, count: int = 3) -> Archive:
    """Return an archive of a few entries that share a file."""
    for k in range(count):
        archive.add("table", {"a.txt": b"the same", f"b/{k}.bin": bytes(range(k, 40 + k))}, note=f"nr {k}")
    return archive


def files_of(folder: Path) -> list[Path]:
    """Return every file with bytes that an archive is made of; what is taken out of it is derived."""
    kept = (path for path in folder.rglob("*") if path.is_file() and "open" not in path.relative_to(folder).parts)
    return sorted(path for path in kept if path.stat().st_size)


# ---- what is stored


def test_the_same_content_is_stored_once(archive):
    first = archive.add("table", {"a": b"1", "b": b"2"}, note="first")
    again = archive.add("table", {"b": b"2", "a": b"1"}, note="another note")
    other = archive.add("table", {"a": b"2", "b": b"1"})
    kind = archive.add("list", {"a": b"1", "b": b"2"})
    assert first.new and not again.new and again.key == first.key
    assert len({first.key, other.key, kind.key}) == 3
    assert [entry.note for entry in archive.entries()] == ["first", "", ""]
    assert len(list(archive.folder.glob("objects/*/*"))) == 2
    assert archive.verify() == [] and archive.unnamed() == []


def test_objects_lie_by_their_sha256_and_cannot_be_written(archive):
    archive.add("table", {"a": b"some bytes"})
    digest = hashlib.sha256(b"some bytes").hexdigest()
    path = archive.folder / "objects" / digest[:2] / digest
    assert path.read_bytes() == b"some bytes" and path.stat().st_mode & 0o777 == 0o444
    (entry,) = archive.entries()
    assert archive.read(entry, "a") == b"some bytes" and archive.path_of(entry.files["a"]) == path


def test_each_line_carries_the_digest_of_the_one_before(archive):
    small(archive)
    lines = (archive.folder / journal.FILE).read_bytes().splitlines()
    before = "0" * 64
    for line in lines:
        content = json.loads(line)
        assert content["previous"] == before
        own = content.pop("sha256")
        plain = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        assert own == hashlib.sha256(plain).hexdigest()
        before = hashlib.sha256(line).hexdigest()


def test_keys_are_found_by_their_beginning(archive):
    key = archive.add("table", {"a": b"1"}).key
    assert archive.find(key[:4]).key == key == archive.find(key).key
    for wrong in (key[:3], "0000", ""):
        with pytest.raises(BadInput, match="the key of one entry"):
            archive.find(wrong)


def test_an_absent_archive_holds_nothing_and_reading_makes_none(archive):
    assert (archive.entries(), archive.verify(), archive.unnamed()) == ([], [], [])
    assert not archive.folder.exists()


@pytest.mark.parametrize("name", ["../a", "a/../b", "/a", "a//b", "", "a/", "a\n", "a b", "..", "C:\\a"])
def test_names_that_lead_elsewhere_are_refused(archive, name):
    with pytest.raises(BadInput, match="would not write"):
        archive.add("table", {name: b"1"})
    assert archive.entries() == []


# ---- damage


def damage(path: Path, place: int, change: int) -> bytes:
    """Change one byte of a file, whatever its permissions; return its bytes before."""
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(before[:place] + bytes([before[place] ^ change]) + before[place + 1 :])
    return before


def damages_not_found(archive: Archive, count: int, seed: int) -> list[tuple]:
    """Return which of `count` random damages of one byte, over all files and all bytes, `verify` did not find."""
    draw = random.Random(seed)
    files = files_of(archive.folder)
    sizes = [path.stat().st_size for path in files]
    missed = []
    for k in range(count):
        # half of them over the bytes as they are, half over the files, so that no small file goes unseen
        path = draw.choices(files, sizes if k % 2 else None)[0]
        place, change = draw.randrange(path.stat().st_size), draw.randrange(1, 256)
        before = damage(path, place, change)
        if not archive.verify():
            missed.append((path, place, change))
        path.write_bytes(before)
    assert archive.verify() == []
    return missed


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a folder with an archive of a run and what a cut-off writer left, and the run."""
    folder = tmp_path_factory.mktemp("kept")
    run = make_run(folder, "run", 4)
    archive = Archive(folder / "archive")
    archive.add_run(run, note="kept")
    with (archive.folder / journal.FILE).open("ab") as file:
        file.write(b'{"content":{"about"')
    small(archive, 2)
    assert len(list(archive.folder.glob("torn-*"))) == 1 and archive.verify() == []
    return archive


def test_fifty_random_damages_are_found(kept):
    assert damages_not_found(kept, 50, seed=1) == []


@pytest.mark.long
def test_a_thousand_random_damages_are_found(kept):
    assert damages_not_found(kept, 1000, seed=2) == []


def test_every_byte_of_the_journal_matters(archive):
    """Each byte once, with three changes, one of which makes or breaks a line."""
    data = (small(archive, 2).folder / journal.FILE).read_bytes()
    assert not journal.parse(data).problems
    for place, change in itertools.product(range(len(data)), (1, 0x20, ord("\n") ^ data[0])):
        changed = data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
        found = journal.parse(changed)
        assert found.problems or found.torn or found.unended, (place, change)


def test_a_lost_object_an_exchanged_one_and_a_removed_line_are_found(archive):
    small(archive)
    first, second, *_ = sorted(archive.folder.glob("objects/*/*"))
    data = first.read_bytes()
    first.unlink()
    assert archive.verify() == [f"objects: {first.name} is gone"]
    shutil.copy(second, first)
    assert len(archive.verify()) == 1 and "bytes are not those" in archive.verify()[0]
    first.unlink()
    first.write_bytes(data)
    assert archive.verify() == []
    path = archive.folder / journal.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    for kept_lines in (lines[1:], lines[:1] + lines[2:], [lines[1], lines[0], lines[2]], [*lines, lines[-1]]):
        path.write_bytes(b"".join(kept_lines))
        assert any(journal.FILE in problem for problem in archive.verify())
    path.write_bytes(b"".join(lines[:2]))
    # the last line gone is a shorter journal that follows; what it named is left over
    assert archive.verify() == [] and len(archive.unnamed()) == 1


def test_nothing_is_added_to_a_damaged_journal(archive):
    path = small(archive).folder / journal.FILE
    before = damage(path, 40, 1)
    changed = path.read_bytes()
    with pytest.raises(BadInput, match="archive verify"):
        archive.add("table", {"new": b"new"})
    with pytest.raises(BadInput, match="line 1"):
        archive.entries()
    assert path.read_bytes() == changed
    path.write_bytes(before)
    assert archive.add("table", {"new": b"new"}).new and archive.verify() == []


def test_a_damaged_object_is_not_read_and_is_mended_by_adding_it_again(archive):
    small(archive)
    entry = archive.entries()[1]
    path = archive.path_of(entry.files["a.txt"])
    damage(path, 3, 1)
    with pytest.raises(BadInput, match=r"the bytes of a\.txt"):
        archive.read(entry, "a.txt")
    assert not archive.add("table", {"a.txt": b"the same", "b/1.bin": bytes(range(1, 41))}).new
    assert archive.verify() == []


@given(cut=st.integers(1, 400), text=st.sampled_from([b"", b"x", b"\n", b"{"]))
@settings(max_examples=40, deadline=None)
def test_a_line_cut_off_anywhere_is_set_aside_and_never_lost(tmp_path_factory, cut, text):
    archive = small(Archive(tmp_path_factory.mktemp("cut") / "archive"), 2)
    path = archive.folder / journal.FILE
    data = path.read_bytes()
    last = data.splitlines(keepends=True)[-1]
    cut = min(cut, len(last) - 1)
    path.write_bytes(data[:-cut])
    assert archive.verify() != []
    keys = [entry.key for entry in archive.entries()]
    added = archive.add("table", {"new": text})
    assert archive.verify() == []
    assert [entry.key for entry in archive.entries()] == [*keys, added.key]
    assert len(keys) == (2 if cut == 1 else 1)
    torn = list(archive.folder.glob("torn-*"))
    assert [file.read_bytes() for file in torn] == ([] if cut == 1 or cut == len(last) else [last[:-cut]])


# ---- several writers, kills, full disks

WRITER = """
import sys
from xai_core.release.archive import Archive
folder, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
archive = Archive(folder)
for k in range(count):
    added = archive.add("table", {"own": f"{name}-{k}".encode(), "shared": f"shared-{k}".encode() * 500})
    print(added.key, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE, text=True)


def test_four_processes_at_once_lose_nothing(archive):
    processes = [writer(archive.folder, f"p{k}", 12) for k in range(4)]
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    keys = [entry.key for entry in archive.entries()]
    assert sorted(keys) == sorted(itertools.chain(*said)) and len(set(keys)) == 48
    assert archive.verify() == [] and archive.unnamed() == []


@pytest.mark.parametrize("heard", [1, 5, 14])
def test_a_killed_writer_leaves_all_that_it_acknowledged(archive, heard):
    process = writer(archive.folder, "p", 100_000)
    acknowledged = [process.stdout.readline().strip() for _ in range(heard)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert {entry.key for entry in archive.entries()} >= set(acknowledged)
    assert archive.add("table", {"after": b"after"}).new
    assert archive.verify() == []
    assert not list(archive.folder.rglob("*.tmp"))
    assert {entry.key for entry in archive.entries()} >= set(acknowledged)


FULL = """
import resource, sys
from xai_core.errors import BadInput
from xai_core.release.archive import Archive
archive, limit, size = Archive(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    for k in range(1000):
        print(archive.add("table", {"file": f"{k}".encode() * size}).key, flush=True)
except BadInput as error:
    print(error.remedy, file=sys.stderr)
"""


@pytest.mark.parametrize(("limit", "size"), [(6000, 1), (400, 500)], ids=["in the journal", "in an object"])
def test_a_full_disk_is_told_and_loses_nothing(archive, limit, size):
    small(archive, 1)
    before = archive.entries()
    arguments = [sys.executable, "-c", FULL, str(archive.folder), str(limit), str(size)]
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=True)
    assert "free some space" in done.stderr
    assert [entry.key for entry in archive.entries()] == [before[0].key, *done.stdout.split()]
    assert len(done.stdout.split()) < 1000 and archive.verify() == []
    assert archive.add("table", {"after": b"after"}).new and archive.verify() == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="made and written"):
        Archive(tmp_path / "file" / "archive").add("table", {"a": b"1"})
    with pytest.raises(BadInput, match="a file to store"):
        Archive(tmp_path / "archive").add("table", {"a": tmp_path / "none"})


# ---- one file


def test_export_and_import_are_identical(kept, tmp_path):
    first = kept.export(tmp_path / "first.tar")
    other = Archive(tmp_path / "other")
    added = other.load(first)
    assert all(each.new for each in added) and [e.as_dict() for e in other.entries()] == [
        e.as_dict() for e in kept.entries()
    ]
    assert other.export(tmp_path / "second.tar").read_bytes() == first.read_bytes()
    assert other.verify() == [] and other.unnamed() == []
    assert not any(each.new for each in other.load(first))


def test_the_file_is_a_tar_of_read_only_files_without_owner_and_time(kept, tmp_path):
    with tarfile.open(kept.export(tmp_path / "a.tar"), "r:") as file:
        members = file.getmembers()
    names = [member.name for member in members]
    assert names[0] == "journal.jsonl" and names[1:] == sorted(names[1:])
    assert all(m.isreg() and (m.mode, m.mtime, m.uid, m.gid, m.uname) == (0o444, 0, 0, 0, "") for m in members)
    assert {name.rpartition("/")[2] for name in names[1:]} == {p.name for p in kept.folder.glob("objects/*/*")}


def test_entries_join_those_that_are_there(kept, archive, tmp_path):
    own = archive.add("table", {"own": b"own"}).key
    archive.load(kept.export(tmp_path / "a.tar"))
    assert [entry.key for entry in archive.entries()] == [own, *(entry.key for entry in kept.entries())]
    assert archive.verify() == []


def test_a_changed_byte_anywhere_is_refused_and_nothing_is_taken(kept, tmp_path):
    data = kept.export(tmp_path / "a.tar").read_bytes()
    draw = random.Random(3)
    places = [*range(0, 512, 7), *(draw.randrange(len(data)) for _ in range(150)), len(data) - 1]
    for place in places:
        changed = tmp_path / "changed.tar"
        changed.write_bytes(data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :])
        other = Archive(tmp_path / "other")
        with pytest.raises(BadInput, match="exported archive|an entry of"):
            other.load(changed)
        assert not other.folder.exists()


def other_tar(kept: Archive, path: Path, change, **options) -> Path:
    """Return a tar of an archive's members after ``change(list of (TarInfo, bytes))``, as another program writes it."""
    members = []
    with tarfile.open(kept.export(path.with_name("plain.tar"))) as file:
        members = [(info, file.extractfile(info).read()) for info in file.getmembers()]
    with tarfile.open(path, options.pop("mode", "w"), format=tarfile.USTAR_FORMAT, **options) as out:
        for info, data in change(members):
            info.size = len(data) if info.isreg() else 0
            out.addfile(info, io.BytesIO(data))
    return path


def link(kind: bytes):
    info = tarfile.TarInfo("objects/aa/link")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def escaping(name: str):
    return lambda members: [*members, (tarfile.TarInfo(name), b"owned")]


HOSTILE = {
    "path above": escaping("../../evil"),
    "path from the root": escaping("/tmp/evil"),
    "further file": escaping("objects/aa/" + "a" * 64),
    "symbolic link": lambda members: [*members, (link(tarfile.SYMTYPE), b"")],
    "hard link": lambda members: [*members, (link(tarfile.LNKTYPE), b"")],
    "device": lambda members: [*members, (link(tarfile.CHRTYPE), b"")],
    "duplicate": lambda members: [*members, members[-1]],
    "duplicate journal": lambda members: [members[0], *members],
    "other order": lambda members: [members[0], *members[:0:-1]],
    "a file missing": lambda members: members[:-1],
    "no journal": lambda members: members[1:],
    "nothing": lambda members: [],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tars_are_refused(kept, tmp_path, name):
    file = other_tar(kept, tmp_path / "hostile.tar", HOSTILE[name])
    other = Archive(tmp_path / "other")
    with pytest.raises(BadInput, match="nothing was taken"):
        other.load(file)
    assert not other.folder.exists() and not (tmp_path.parent / "evil").exists()


def test_bombs_and_other_files_are_refused_without_being_unpacked(kept, tmp_path):
    bomb = tmp_path / "bomb.tar.gz"
    other_tar(kept, bomb, lambda members: [(members[0][0], b"0" * 20_000_000)], mode="w:gz")
    claimed = tmp_path / "claimed.tar"
    info = tarfile.TarInfo("journal.jsonl")
    info.size, info.mode = 8 * 1024**3 - 1, 0o444
    claimed.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + b"{}")
    longer = kept.export(tmp_path / "longer.tar")
    longer.write_bytes(longer.read_bytes() + bytes(512))
    for file in (bomb, claimed, longer, kept.folder / journal.FILE):
        with pytest.raises(BadInput, match="nothing was taken"):
            Archive(tmp_path / "other").load(file)
    with pytest.raises(BadInput, match="check the path"):
        Archive(tmp_path / "other").load(tmp_path / "none")
    assert not (tmp_path / "other").exists()


def test_a_damaged_archive_is_not_exported(archive, tmp_path):
    small(archive)
    damage(sorted(archive.folder.glob("objects/*/*"))[0], 0, 1)
    with pytest.raises(BadInput, match="finds whole"):
        archive.export(tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"key": "0" * 64},
        {"more": 1},
        {"files": {"a": {"sha256": "x", "bytes": 1}}},
        {"files": 3},
        {"note": None},
        {"about": []},
        {"format": "right-reasons archive 2"},
    ],
)
def test_an_entry_that_this_version_would_not_write_is_none(archive, change):
    small(archive, 1)
    content = archive.entries()[0].as_dict()
    assert Entry.of(content).as_dict() == content
    with pytest.raises(BadInput, match="an entry of"):
        Entry.of(content | change)


# ---- runs


def test_a_run_opens_straight_from_the_archive(tmp_path, archive):
    run = make_run(tmp_path, "run", 5)
    key = archive.add_run(run, note="a note").key
    kept = archive.run(key[:8])
    assert kept.manifest == run.manifest and kept.verify() == []
    pd.testing.assert_frame_equal(table_of(kept), table_of(run))
    assert tiles(kept, None, ["id001", "id003"]) == tiles(run, None, ["id001", "id003"])
    assert archive.run(key).folder == kept.folder and archive.verify() == []
    shutil.rmtree(archive.folder / "open")
    shutil.rmtree(run.folder)
    assert archive.run(key).map_of("id002")["sample_id"] == "id002"


def test_a_run_is_stored_once_however_often_it_was_looked_at(tmp_path, archive):
    from xai_core.runs.scoring import score

    run = make_run(tmp_path, "run", 4)
    first = archive.add_run(run)
    tiles(run, None, ["id000"])
    score(run, "top_share:0.3")
    shutil.copytree(run.folder, tmp_path / "copy" / "run")
    assert archive.add_run(run).key == first.key and not archive.add_run(run).new
    names = set(archive.find(first.key).files)
    assert {"run/run.json", "run/settings.json", "run/records.parquet", "run/scores/half.parquet"} <= names
    assert sum(name.startswith("run/parts/") for name in names) == 1


def test_a_damaged_run_and_a_gate_on_another_run_are_refused(tmp_path, archive):
    run = make_run(tmp_path, "run", 4)
    gate = tmp_path / "gate.json"
    write_json(gate, sealed({"verdict": "pass", "rules": [], "candidate": {"content_digest": "other"}}))
    with pytest.raises(BadInput, match="gate's result"):
        archive.add_run(run, gate=gate)
    judged = sealed({"verdict": "fail_metric", "candidate": {"content_digest": run.manifest["content_digest"]}})
    write_json(gate, judged | {"verdict": "pass"})
    with pytest.raises(BadInput, match="bytes that were changed; run `gate` again"):
        archive.add_run(run, gate=gate)
    write_json(gate, judged)
    added = archive.add_run(run, gate=gate)
    assert archive.find(added.key).about["gate"] == "fail_metric"
    part = next((run.folder / "parts").iterdir())
    damage(part, 100, 1)
    with pytest.raises(BadInput, match="a run as it was written"):
        archive.add_run(run)


# ---- what moved


def moved_run(tmp_path, name: str = "moved", n: int = 12):
    """Return a run that calls id001 otherwise and whose map of id004 is upside down."""

    def change(row: dict) -> dict:
        if row["sample_id"] == "id001":
            return row | {"probabilities": row["probabilities"][::-1]}
        if row["sample_id"] == "id004":
            return row | rows.encode_heatmap(rows.decode_heatmap(row | {"segments": None}, SQUASH.size)[::-1, ::-1])
        return row

    return make_run(tmp_path, name, n, change, classifier="models/y", classifier_digest="c2")


def test_diff_finds_what_was_changed_and_nothing_else(tmp_path, archive):
    before, now = make_run(tmp_path, "run"), moved_run(tmp_path)
    keys = [archive.add_run(run).key for run in (before, now)]
    found = archive.diff(*keys)
    assert {entry["name"] for entry in found["settings"]} == {"classifier", "classifier_digest"}
    by_id = {row["id"]: row for row in found["samples"]}
    assert [i for i, row in by_id.items() if row["called_before"] != row["called_now"]] == ["id001"]
    assert found["samples"][0]["id"] == "id004" and found["samples"][0]["iou"] < 0.5
    same = [row for i, row in by_id.items() if i != "id004"]
    assert all(
        row["iou"] == row["spearman"] == row["ssim"] == 1 and row["excess_now"] == row["excess_before"] for row in same
    )
    table = drift(before, now).set_index("sample_id")
    assert by_id["id004"]["iou"] == table.loc["id004", "iou"]
    lost, won = (len(found["comparison"]["against"][0]["movers"][name]) for name in ("lost", "won"))
    assert lost + won == 1
    said = " ".join(sentences(found))
    assert "1 of 12 samples are called otherwise" in said and "classifier, classifier_digest" in said
    cluster = found["clusters"][0]
    assert (cluster["label"], cluster["stratum"]) == (by_id["id004"]["label"], by_id["id004"]["stratum"])
    assert sum(cluster["n"] for cluster in found["clusters"]) == sum(row["stratum"] != "" for row in by_id.values())
    json.dumps(found, allow_nan=False)


def test_a_version_against_itself_has_not_moved(tmp_path):
    run = make_run(tmp_path, "run")
    found = diff(run, run)
    assert found["settings"] == [] and all(row["iou"] == 1 for row in found["samples"] if row["iou"] is not None)
    assert "0 of 12 samples are called otherwise" in " ".join(sentences(found))


def test_runs_that_answer_other_questions_are_not_compared(tmp_path):
    run = make_run(tmp_path, "run")
    other = make_run(tmp_path, "other", target="benign")
    found = diff(run, other)
    assert found["samples"] == [] and "explained class" in found["why_not"]
    assert sentences(found) == [f"The two cannot be held against each other: {found['why_not']}."]
    assert changed_settings(run, other) == [{"name": "target", "before": "malignant", "now": "benign"}]


# ---- the command


def test_the_command_does_all_of_it(tmp_path, capsys):
    make_run(tmp_path, "run", 6), moved_run(tmp_path, n=6)
    folder = ["--archive", tmp_path / "archive"]

    def say(*arguments, code: int = 0) -> str:
        assert main(["archive", *map(str, (*arguments, *folder))]) == code
        return "".join(capsys.readouterr())

    keys = [say("add", tmp_path / name).split()[0] for name in ("run", "moved")]
    assert "nothing added" in say("add", tmp_path / "run")
    assert all(key in say("list") for key in keys)
    assert json.loads(say("show", keys[0], "--json"))["about"]["classifier"] == "models/x"
    assert re.search(r"id004 +benign|id004 +malignant", say("diff", *keys))
    assert "2 entries, every byte" in say("verify")
    say("export", tmp_path / "a.tar")
    damage(sorted((tmp_path / "archive").glob("objects/*/*"))[0], 5, 8)
    assert "its bytes are not those" in say("verify", code=1)
    folder[1] = tmp_path / "second"
    assert "2 entries taken" in say("import", tmp_path / "a.tar")
    assert "expected the key of one entry" in say("show", "ffffffff", code=2)
    folder[1] = tmp_path / "nowhere"
    assert "nothing was verified; name its folder by --archive" in say("verify", code=2)
    assert "nowhere holds no entry; `archive add RUN`" in say("list")
    say("add", tmp_path / "run", "--note", "a long\nnote " * 99)
    assert len(say("list").splitlines()) == 2 and max(map(len, say("list").splitlines())) < 250


def test_times_of_writing_are_the_only_thing_that_two_archives_of_one_content_differ_in(tmp_path):
    archives = [Archive(tmp_path / name) for name in ("one", "two")]
    for archive in archives:
        archive.add("table", {"a": b"1"}, at="2026-01-02T03:04:05+00:00")
    first, second = (archive.export(tmp_path / f"{k}.tar").read_bytes() for k, archive in enumerate(archives))
    assert first == second and np.frombuffer(first, np.uint8).size % 512 == 0
    assert (tmp_path / "0.tar").stat().st_size == len(first)
