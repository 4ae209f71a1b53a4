"""The one door to judges: what they are asked about a run, whatever they are, and how their answers are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from xai_core.errors import BadInput
from xai_core.files import exclusive
from xai_core.language import privacy, schema
from xai_core.language.asking import Asking, Request
from xai_core.language.prompts import Prompt
from xai_core.language.schema import Judgement
from xai_core.language.store import Judgements, folder_of
from xai_core.language.views import View
from xai_core.language.writing import JudgementWriter, check_as_many, own_name
from xai_core.runs import Run


@dataclass(frozen=True)
class Answer:
    """What a judge answered: its own text, or why there is none.

    Attributes
    ----------
    raw : str
        '' where the judge could not be reached; such a record is asked again the next time.
    seconds : float
    tokens : int or None
        In and out, where the judge tells.
    error : str
        Why there is no text; '' where there is.
    """

    raw: str
    seconds: float = 0.0
    tokens: int | None = None
    error: str = ""


class Judge(Protocol):
    """Whoever looks at pictures of evidence and answers in words.

    Attributes
    ----------
    name : str
        Short, as people say it: the model's name.
    settings : dict
        Plain JSON values of everything that decides an answer; no keys.
    remote : bool
        Whether pictures leave this machine; then ``host`` (str) says where they go.
    batch : int
        Requests that one call of `answer` takes at most.
    wants_facts : bool, optional
        Whether it measures for itself and gets ``facts``; False where it is absent.
    stop : callable, optional
        Called where nothing more will be asked: what would be tried again no longer is.
    """

    name: str
    settings: dict
    remote: bool
    batch: int

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Return an answer for each request, in order; called from several threads where that was asked for.

        Raises
        ------
        BadInput
            Where no further request could be answered either: what was answered before is kept.
        """


def judge_run(
    run: Run,
    judge: Judge,
    *,
    view: View | None = None,
    prompt: Prompt | None = None,
    out: str | None = None,
    limit: int | None = None,
    resume: bool = False,
    progress: Callable[[int, int], object] | None = None,
    concurrency: int = 1,
    allow_remote: str = "",
    price: float | None = None,
) -> Judgements:
    """Return what a judge says about the records of a run, kept in ``RUN/judgements/NAME``.

    What was answered before, under any name, is not asked again as long as image, map, view, prompt, class and judge
    are the same. A kill loses the requests that are on their way.

    Parameters
    ----------
    run : Run
    judge : Judge
    view : View, optional
        ``masked`` by default.
    prompt : Prompt, optional
        That which fits the run by default.
    out : str, optional
        The name; by default the judge's, the view's and the prompt's.
    limit : int, optional
        At most so many records, drawn by hash of the id.
    resume : bool
        Whether judgements may already have been begun under this name, and not finished.
    progress : callable, optional
        Called with how many records are done and how many there are.
    concurrency : int
        Calls of the judge at once.
    allow_remote : str
        The host that the user named and confirmed.
    price : float, optional
        Of a million tokens, for the manifest's cost.

    Raises
    ------
    BadInput
        Where the judge may not see the run, its maps speak for the label, more records were judged before, somebody
        else is writing the judgements, or, and `resume` is False, they were begun or are damaged.
    """
    privacy.check(run, judge, allow_remote)
    asking = Asking(run, judge, view, prompt)
    name, planned = out or own_name(asking), asking.plan(limit)
    with exclusive(folder_of(run, name)):
        check_as_many(asking, name, len(planned))
        writer = JudgementWriter(asking, name, resume=resume)
        missing = {each.key: each.sample_id for each in planned if each.key and each.key not in writer.known}
        done = sum(1 for each in planned if each.key not in missing)
        if progress:
            progress(done, len(planned))
        faults: dict[str, str] = {}

        def keep(answered: list) -> None:
            nonlocal done
            writer.add([read(request, answer) for request, answer in answered])
            done += len(answered)
            if progress:
                progress(min(done, len(planned)), len(planned))

        ask(judge, asking.requests(missing, faults), keep, concurrency)
        return writer.finish(planned, faults, price)


def first_requests(
    run: Run, judge: Judge, count: int, *, view: View | None = None, prompt: Prompt | None = None
) -> list[Request]:
    """Return the first requests that a judge would get about a run; none is put to it.

    Raises
    ------
    BadInput
        Where there is none.
    """
    asking, faults = Asking(run, judge, view, prompt), {}
    planned = asking.plan(count)
    wanted = {each.key: each.sample_id for each in planned if each.key}
    found = [request for _, request in asking.requests(wanted, faults)]
    if not found:
        reasons = [each.error for each in planned if each.error] + list(faults.values())
        raise BadInput(
            where=run.folder,
            expected="a record to show to a judge",
            found=Counter(reasons).most_common(1)[0][0] if reasons else "none",
            remedy="put the images back where the run says they are, or name another run",
        )
    return found


def ask(
    judge: Judge,
    requests: Iterable[tuple[str, Request]],
    keep: Callable[[list[tuple[tuple[str, Request], Answer]]], object],
    concurrency: int = 1,
) -> None:
    """Put requests to a judge, `concurrency` calls at once, and call ``keep([((key, request), answer)])`` as they come.

    Whatever goes wrong (a call that fails, a request that cannot be made, an interruption), nothing more is asked,
    those that are on their way are waited for and kept, and then it is raised.
    """
    batches = iter(_batches(iter(requests), max(1, judge.batch)))
    waiting: dict[Future, list] = {}
    with ThreadPoolExecutor(max(1, concurrency)) as executor:
        try:
            while True:
                while len(waiting) < max(1, concurrency) and (batch := next(batches, None)):
                    waiting[executor.submit(judge.answer, [request for _, request in batch])] = batch
                if not waiting:
                    break
                _keep(wait(waiting, return_when=FIRST_COMPLETED).done, waiting, keep)
        except BaseException:
            getattr(judge, "stop", bool)()
            with suppress(Exception):
                _keep(wait(waiting).done, waiting, keep)
            raise


def _keep(done: Iterable[Future], waiting: dict[Future, list], keep: Callable[[list], object]) -> None:
    """Keep what calls came to, which are then no longer waited for; raise the first failure after that."""
    finished = [(future, waiting.pop(future)) for future in done]
    answered = [
        pair for call, batch in finished if not call.exception() for pair in zip(batch, call.result(), strict=True)
    ]
    if answered:
        keep(answered)
    for call, _ in finished:
        call.result()


def read(asked: tuple[str, Request], answer: Answer) -> Judgement:
    """Return the judgement that an answer is; one that cannot be read keeps its text and says why."""
    key, request = asked
    raw = privacy.without_keys(schema.clean(answer.raw))
    found = Judgement(request.sample_id, raw=raw, seconds=float(answer.seconds), tokens=answer.tokens, key=key)
    if not raw:
        return replace(found, error=privacy.without_keys(schema.clean(answer.error)) or "the judge said nothing")
    try:
        description, justification, score = schema.parse(raw)
    except ValueError as error:
        return replace(found, error=getattr(error, "found", str(error)))
    kept = [privacy.without_keys(text) for text in (description, justification)]
    if kept != [description, justification]:
        # the answer spelled a key otherwise, so that it was not seen before it was read
        found = replace(found, raw=schema.block(*kept, score))
    return replace(found, description=kept[0], justification=kept[1], score=score)


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch
