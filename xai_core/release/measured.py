"""What was measured of a run, kept beside it: a sealed JSON file that holds for the run's content and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import is_sealed, read_json, sealed, write_json

if TYPE_CHECKING:
    from xai_core.runs import Run


def keep(run: Run, file: str, content: dict) -> dict:
    """Return the content sealed, with the run's ``content_digest``, after writing it to a file in the run's folder.

    Raises
    ------
    BadInput
        Where the folder cannot be written.
    """
    found = sealed({**content, "content_digest": run.manifest["content_digest"]})
    write_json(run.folder / file, found)
    return found


def read(run: Run, file: str, form: str, remedy: str) -> dict | None:
    """Return what `keep` wrote, None where there is no such file.

    Parameters
    ----------
    run : Run
    file : str
        Its name in the run's folder.
    form : str
        The ``format`` it must have.
    remedy : str
        What to do where it cannot be used.

    Raises
    ------
    BadInput
        Where it was changed, has another format, or belongs to other content.
    """
    path, digest = run.folder / file, run.manifest["content_digest"]
    if not path.exists():
        return None
    found = read_json(path)
    wrong = ""
    if found.get("format") != form or not is_sealed(found):
        wrong = "bytes that were changed since, or another format"
    elif found.get("content_digest") != digest:
        wrong = f"the figures of another run ({str(found.get('content_digest'))[:12]})"
    if wrong:
        raise BadInput(where=path, expected=f"what was measured of the run {digest[:12]}", found=wrong, remedy=remedy)
    return found
