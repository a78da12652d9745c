"""Streams for the engine: drawn from workloads and arrival processes, replayed, or in a closed loop.

Every class has its own Philox streams, spawned from the seed, so that changing one class leaves the requests
of the others as they were, and configurations that are compared see the same requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdplan.checks import require_fraction
from pdplan.errors import InputError
from pdplan.sim.stream import Stream, merged
from pdplan.workload import (
    ArrivalProcess,
    ModulatedArrivals,
    PoissonArrivals,
    Trace,
    TraceArrivals,
    Workload,
    generate_requests,
)


@dataclass(frozen=True, slots=True)
class Source:
    """One class of requests: its lengths, its arrivals, and the share of prompts that prefill has cached."""

    workload: Workload
    arrivals: ArrivalProcess
    cached: float = 0.0

    def __post_init__(self) -> None:
        """Check the share."""
        require_fraction("cached", self.cached, open_high=True)


def draw_stream(sources: Sequence[Source], requests: int, *, seed: int) -> Stream:
    """Return the first ``requests`` requests of all classes together; ``class_id`` counts the sources.

    Parameters
    ----------
    sources : sequence of Source
    requests : int
    seed : int

    Raises
    ------
    InputError
        No class, no request, or a replayed trace that is too short.

    Examples
    --------
    >>> w = Workload.from_document({"name": "w", "prompt_tokens": {"p50": 100, "p99": 400},
    ...                             "output_tokens": {"geometric": 20}})
    >>> s = draw_stream([Source(w, PoissonArrivals(3.0)), Source(w, PoissonArrivals(1.0))], 40_000, seed=1)
    >>> round(float(np.mean(s.class_id == 0)), 2), len(s)
    (0.75, 40000)
    """
    if not sources or requests < 1:
        raise InputError(f"{len(sources)} classes and {requests} requests: give at least one of each")
    rate = sum(s.arrivals.rate for s in sources)
    parts = []
    for k, source in enumerate(sources):
        share = source.arrivals.rate / rate
        # one class alone gives them all; of several, each gives what no stretch of time is likely to exceed
        spread = 6.0 * np.sqrt(requests * share * (1.0 + source.arrivals.local_scv)) + 16.0
        count = requests if len(sources) == 1 else int(requests * share + spread)
        if isinstance(source.arrivals, TraceArrivals):
            count = min(count, int(source.arrivals.arrival_s.size))
        own = int(np.random.SeedSequence([seed, k]).generate_state(1, np.uint64)[0])
        drawn = generate_requests(source.workload, source.arrivals, count, seed=own)
        cached = None
        if source.cached:
            cached = np.floor(drawn.prompt_tokens * source.cached).astype(np.int32)
        parts.append(Stream.drawn(drawn, cached_tokens=cached))
    whole = merged(parts)
    known_s = min(float(p.arrival_s[-1]) for p in parts)  # beyond it a class has no more requests
    count = int(np.searchsorted(whole.arrival_s, known_s, side="right"))
    return whole.take(slice(0, min(requests, count)))


def closed_loop(workload: Workload, requests: int, *, users: int, think_s: float = 0.0, seed: int) -> Stream:
    """Return requests that ``users`` users send one after another, each ``think_s`` after its last ended.

    Examples
    --------
    >>> w = Workload.from_document({"name": "w", "prompt_tokens": 100, "output_tokens": 20})
    >>> closed_loop(w, 10, users=4, seed=0).users
    4
    """
    if users < 1:
        raise InputError(f"users is {users}: a closed loop needs at least one")
    drawn = generate_requests(workload, PoissonArrivals(1.0), requests, seed=seed)
    return Stream.drawn(drawn, users=users, think_s=think_s)


def replay(trace: Trace) -> Stream:
    """Return the requests of a trace as they came, from time 0: a transient, not a steady state."""
    start = float(trace.arrival_s[0])
    return Stream.of(trace.arrival_s - start, trace.prompt_tokens, np.maximum(trace.output_tokens, 1))


def on_off(rate: float, *, on_s: float, off_s: float) -> ModulatedArrivals:
    """Return bursts: Poisson arrivals in phases of mean ``on_s``, none for mean ``off_s``, ``rate`` overall.

    Examples
    --------
    >>> on_off(8.0, on_s=10.0, off_s=30.0).high_rate
    32.0
    """
    return ModulatedArrivals(rate * (on_s + off_s) / on_s, 0.0, on_s, off_s)
