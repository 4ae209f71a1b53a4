"""One thread for scikit-learn: on several its sums are added up in the order in which the threads happen to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Return a context, also a decorator, in which scikit-learn computes the same on any machine's number of threads.

    It holds for the whole process: other threads' sums in the meantime are on one thread too.
    """
    # a library that is first loaded inside the context would not be limited by it
    import sklearn.cluster
    import sklearn.decomposition  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
