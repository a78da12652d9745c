"""Who works a sweep's points: this process, processes beside it, or a cluster; the rows are the same."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pdplan._version import __version__
from pdplan.errors import InputError
from pdplan.planner.sweep_points import Base
from pdplan.planner.sweep_row import Quantities, Row, row_of

if TYPE_CHECKING:
    from pdplan.planner.sweep_points import Point

#: Fewer points than this are not worth starting processes for (about 10 s of planning).
FEW_POINTS: Final = 40
#: At most so many points travel together, so that progress shows and little is lost to a kill.
MOST_IN_CHUNK: Final = 8

Job = tuple[int, tuple[str, ...]]
Done = list[tuple[int, Row]]


def rows_of(base: Base, jobs: Sequence[Job], quantities: Quantities) -> Done:
    """Work some points, in whatever process this is."""
    return [(index, row_of(base, settings, quantities)) for index, settings in jobs]


def run_points(
    base: Base,
    points: Sequence[tuple[int, Point]],
    quantities: Quantities,
    *,
    workers: int | None = None,
    dask: str | None = None,
) -> Iterator[Done]:
    """Work points and give their rows as they are done, in any order.

    Raises
    ------
    InputError
        Processes or a cluster are asked for and the library for them is not there, or the cluster does not
        answer, has no workers, or runs another version.
    """
    jobs = [(index, point.settings) for index, point in points]
    if not jobs:
        return
    if dask is not None:
        yield from _on_cluster(dask, base, jobs, quantities)
        return
    number = _workers(len(jobs)) if workers is None else workers
    if number <= 1:
        for job in jobs:
            yield rows_of(base, [job], quantities)
        return
    yield from _in_processes(number, base, jobs, quantities)


def chunks(jobs: Sequence[Job], workers: int) -> list[Sequence[Job]]:
    """Cut jobs so that each worker gets several chunks.

    Examples
    --------
    >>> [len(c) for c in chunks([(i, ()) for i in range(100)], 4)][:3]
    [6, 6, 6]
    """
    size = min(MOST_IN_CHUNK, max(1, len(jobs) // (4 * max(workers, 1))))
    return [jobs[i : i + size] for i in range(0, len(jobs), size)]


def _workers(points: int) -> int:
    """Processes for a sweep that does not say: this one for few points, else one for each core."""
    if points < FEW_POINTS:
        return 1
    try:
        import joblib
    except ImportError:
        return 1
    return int(joblib.cpu_count())


def _in_processes(workers: int, base: Base, jobs: Sequence[Job], quantities: Quantities) -> Iterator[Done]:
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise InputError(
            "several workers need joblib: pip install 'pdplan[cluster]', or use --workers 1"
        ) from None
    parallel = Parallel(n_jobs=workers, backend="loky", return_as="generator_unordered")
    work = (delayed(_rows_beside)(base, chunk, quantities) for chunk in chunks(jobs, workers))
    whole = False
    try:
        yield from parallel(work)
        whole = True
    finally:
        if not whole:  # interrupted: leave no process behind that goes on working
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _rows_beside(base: Base, jobs: Sequence[Job], quantities: Quantities) -> Done:
    """Work some points in a process beside; Ctrl-C is for the one that the user talks to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return rows_of(base, jobs, quantities)


def _on_cluster(address: str, base: Base, jobs: Sequence[Job], quantities: Quantities) -> Iterator[Done]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError("--dask needs dask: pip install 'pdplan[cluster]'") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"--dask {address}: no scheduler answers there: {reason}") from None
    with client:
        workers = _checked(client, address)
        futures = [
            client.submit(rows_of, base, chunk, quantities, pure=False) for chunk in chunks(jobs, workers)
        ]
        try:
            for future in as_completed(futures):
                try:
                    done = future.result()
                except Exception as error:
                    raise InputError(
                        f"--dask {address}: a worker failed: {type(error).__name__}: {error}"
                    ) from None
                yield done
        finally:
            with contextlib.suppress(Exception):
                client.cancel(futures)


def _checked(client: Any, address: str) -> int:
    """Return the threads of the cluster's workers; all run this version of pdplan.

    The question is sent as text, so that it can be asked of a worker without pdplan.
    """
    threads: dict[str, int] = client.nthreads()
    if not threads:
        raise InputError(
            f"--dask {address}: the scheduler has no workers: start some with dask worker {address}"
        )
    seen: dict[str, str] = client.run(eval, _ASK)
    for worker, version in sorted(seen.items()):
        if version != __version__:
            has = f"runs pdplan {version}" if version else "has no pdplan"
            raise InputError(
                f"--dask {address}: worker {worker} {has}, this is {__version__}: "
                f"install pdplan=={__version__} there"
            )
    return sum(threads.values())


_ASK: Final = (
    "__import__('importlib.util').util.find_spec('pdplan') and __import__('pdplan').__version__ or ''"
)
