"""Requests drawn from a workload, for simulation: same seed, same requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive
from pdplan.errors import InputError, UnsupportedError
from pdplan.workload.arrivals import (
    ArrivalProcess,
    DriftingArrivals,
    GammaArrivals,
    ModulatedArrivals,
    PoissonArrivals,
    TraceArrivals,
)
from pdplan.workload.copula import couple
from pdplan.workload.joint import OUTPUT_ATOMS, PROMPT_ATOMS
from pdplan.workload.law import Array
from pdplan.workload.strata import law_atoms
from pdplan.workload.workload import Workload

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests in order of arrival: times [s] and whole token counts [tok], at least 1."""

    arrival_s: Array
    prompt_tokens: Counts
    output_tokens: Counts


@dataclass(frozen=True)
class Streams:
    """One stream of random numbers for each role, so that a change of one leaves the others as they were."""

    arrivals: np.random.Generator
    prompts: np.random.Generator
    outputs: np.random.Generator


def streams(seed: int) -> Streams:
    """Return the Philox streams of the roles, spawned from one seed.

    Examples
    --------
    >>> streams(1).prompts.random() == streams(1).prompts.random() != streams(1).outputs.random()
    True
    """
    children = np.random.SeedSequence(seed).spawn(3)
    return Streams(*(np.random.Generator(np.random.Philox(child)) for child in children))


def generate_requests(workload: Workload, arrivals: ArrivalProcess, requests: int, *, seed: int) -> Requests:
    """Return ``requests`` requests whose lengths follow the workload and whose times follow ``arrivals``.

    A workload with a trace is resampled pair by pair; any other draws both lengths from their quantile
    functions, joined by the Gaussian copula of `joint_lengths`. Lengths are rounded to whole tokens.

    Parameters
    ----------
    workload : Workload
        The lengths.
    arrivals : ArrivalProcess
        The times; `TraceArrivals` gives at most the arrivals it has.
    requests : int
        How many.
    seed : int
        Seed of all streams.

    Raises
    ------
    InputError
        Not a positive number of requests, or more than a replayed trace has.

    Examples
    --------
    >>> w = Workload.from_document({"name": "w", "prompt_tokens": {"p50": 1000, "p99": 4000},
    ...                             "output_tokens": {"geometric": 200}})
    >>> r = generate_requests(w, PoissonArrivals(8.0), 10_000, seed=0)
    >>> round(float(r.output_tokens.mean()), -1), round(float(r.arrival_s[-1]), -2)
    (200.0, 1200.0)
    """
    if requests < 1:
        raise InputError(f"{requests} requests: ask for at least one")
    source = streams(seed)
    times = arrival_times(arrivals, requests, source.arrivals)
    if workload.trace is not None:
        pick = source.prompts.integers(len(workload.trace), size=requests)
        return Requests(
            times, _whole(workload.trace.prompt_tokens[pick]), _whole(workload.trace.output_tokens[pick])
        )
    prompt, output = law_atoms(workload.prompt, PROMPT_ATOMS), law_atoms(workload.output, OUTPUT_ATOMS)
    parameter = couple(prompt, output, workload.length_correlation).parameter
    first = source.prompts.standard_normal(requests)
    second = parameter * first + np.sqrt(1.0 - parameter**2) * source.outputs.standard_normal(requests)
    top = 1.0 - 1e-15  # a law without a largest value has no quantile at 1
    return Requests(
        times,
        _whole(workload.prompt.quantile(np.minimum(special.ndtr(first), top))),
        _whole(workload.output.quantile(np.minimum(special.ndtr(second), top))),
    )


def arrival_times(arrivals: ArrivalProcess, requests: int, random: np.random.Generator) -> Array:
    """Return the first ``requests`` moments of arrival [s].

    Examples
    --------
    >>> t = arrival_times(GammaArrivals(2.0, 4.0), 10_000, streams(3).arrivals)
    >>> bool(np.all(np.diff(t) >= 0)), round(10_000 / float(t[-1]), 1)
    (True, 2.0)
    """
    if isinstance(arrivals, PoissonArrivals):
        return np.cumsum(random.exponential(1.0 / arrivals.rate, requests))
    if isinstance(arrivals, GammaArrivals):
        shape = 1.0 / arrivals.scv
        return np.cumsum(random.gamma(shape, arrivals.scv / arrivals.rate, requests))
    if isinstance(arrivals, ModulatedArrivals):
        return _modulated_times(arrivals, requests, random)
    if isinstance(arrivals, DriftingArrivals):
        return _drifting_times(arrivals, requests, random)
    if isinstance(arrivals, TraceArrivals):
        if requests > arrivals.arrival_s.size:
            raise InputError(
                f"{requests} requests asked of a trace of {arrivals.arrival_s.size}: ask for fewer"
            )
        replayed: Array = arrivals.arrival_s[:requests] - arrivals.arrival_s[0]
        return replayed
    raise UnsupportedError(f"{type(arrivals).__name__} is not an arrival process that can be drawn")


def _modulated_times(process: ModulatedArrivals, requests: int, random: np.random.Generator) -> Array:
    """Run a unit-rate Poisson process on the clock of the accumulated rate."""
    work = np.cumsum(random.exponential(1.0, requests))
    per_cycle = process.high_rate * process.high_s + process.low_rate * process.low_s
    require_positive("arrivals of a cycle", per_cycle)
    moments, totals, starts_high = [0.0], [0.0], True
    if random.random() >= process.high_s / (process.high_s + process.low_s):
        starts_high = False
    phases = ((process.high_rate, process.high_s), (process.low_rate, process.low_s))
    at = 0 if starts_high else 1
    while totals[-1] < work[-1]:
        rate, mean_s = phases[at]
        stay = float(random.exponential(mean_s))
        moments.append(moments[-1] + stay)
        totals.append(totals[-1] + rate * stay)
        at = 1 - at
    # a phase without arrivals is a flat piece of the clock: work never falls inside it
    edge = np.searchsorted(totals, work, side="left") - 1
    total, moment = np.array(totals), np.array(moments)
    share = (work - total[edge]) / (total[edge + 1] - total[edge])
    times: Array = moment[edge] + share * (moment[edge + 1] - moment[edge])
    return times


def _drifting_times(process: DriftingArrivals, requests: int, random: np.random.Generator) -> Array:
    """Run a renewal process of unit rate on the clock of the accumulated rate, history after history."""
    shape = 1.0 / process.local_scv
    work = np.cumsum(random.gamma(shape, process.local_scv, requests))
    totals = np.concatenate([[0.0], np.cumsum(process.rates * process.window_s)])
    rounds, rest = np.divmod(work, totals[-1])
    edge = np.clip(np.searchsorted(totals, rest, side="left") - 1, 0, process.rates.size - 1)
    # a window without arrivals is a flat piece of the clock: work never falls inside it
    inside = (rest - totals[edge]) / process.rates[edge]
    times: Array = (rounds * process.rates.size + edge) * process.window_s + inside
    return times


def _whole(tokens: Array) -> Counts:
    return np.maximum(np.rint(tokens), 1.0).astype(np.int64)
