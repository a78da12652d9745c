"""Step points out of end-to-end runs, where no step was timed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdplan.latency.fitting.served import grouped_decode_points
from pdplan.latency.measured import DecodePoint, PrefillPoint, ServedRequest, ServingRun

#: With fewer requests in flight than this on average, most requests meet an idle engine.
LOW_LOAD = 0.3
#: Prefill between decode steps pulls the mean ITL up; a median this far above it is no pure decode step.
MOSTLY_MIXED = 1.05


@dataclass(frozen=True, slots=True)
class RunPoints:
    """Step points of some runs, and in words what stands for what."""

    prefill: tuple[PrefillPoint, ...] = ()
    decode: tuple[DecodePoint, ...] = ()
    prefill_notes: tuple[str, ...] = ()
    decode_notes: tuple[str, ...] = ()


def points_from_runs(runs: Sequence[ServingRun], tp: int = 1, pp: int = 1) -> RunPoints:
    """Return the points of prefill and decode that runs at one (tp, pp) hold.

    Prefill: TTFT of requests that met an idle engine: one by one where the file has them, else the median
    TTFT of runs at concurrency 1 or with fewer than 0.3 requests in flight. Decode: the median ITL at the
    batch that tokens saw; without it the median TPOT of requests grouped by the batch that they met
    (`grouped_decode_points`), else the run's mean TPOT.

    Validity: one engine without speculative decoding. TTFT holds the network and the front end. A median ITL
    is nearest to a pure decode step while fewer than half of the gaps hold prefill work; a mean TPOT holds
    it all.

    Examples
    --------
    >>> from pdplan.latency.measured import Spread
    >>> run = ServingRun(100, 1000, 101, concurrency=8, throughput=2.0,
    ...                  ttft=Spread(mean=0.1), tpot=Spread(mean=0.02), itl=Spread(mean=0.02, p50=0.018))
    >>> points_from_runs([run]).decode             # 2/s x 100 steps x 20 ms = 4; a token sees 1 + 4 x 7/8
    (DecodePoint(batch=4.5, context_tokens=1050.5, seconds=0.018, tp=1, pp=1, repeats=100),)
    """
    prefill: list[PrefillPoint] = []
    decode: list[DecodePoint] = []
    first: list[str] = []
    then: list[str] = []
    for run in runs:
        prefill += _idle_points(run, tp, pp, first)
        decode += _decode_points(run, tp, pp, then)
    return RunPoints(tuple(prefill), tuple(decode), tuple(dict.fromkeys(first)), tuple(dict.fromkeys(then)))


def _idle_points(run: ServingRun, tp: int, pp: int, notes: list[str]) -> list[PrefillPoint]:
    """Return prefill points from requests that waited for nobody."""
    alone = run.concurrency is not None and run.concurrency <= 1
    if run.served and (alone or all(r.sent_s is not None for r in run.served)):
        met = run.served if alone else met_idle(run.served)
        notes.append(
            "prefill times are TTFTs of requests that met an idle engine: network and front end are in them"
        )
        return [PrefillPoint(r.prompt_tokens, r.ttft_s, tp, pp) for r in met]
    ttft = run.ttft.p50 if run.ttft.p50 is not None else run.ttft.mean
    flight = in_flight(run)
    if ttft is None or not (alone or (flight is not None and flight < LOW_LOAD)):
        return []
    what = "median" if run.ttft.p50 is not None else "mean"
    load = "at concurrency 1" if alone else f"with fewer than {LOW_LOAD:g} requests in flight"
    notes.append(f"prefill times are {what} TTFTs of runs {load}: network and front end are in them")
    return [PrefillPoint(run.prompt_tokens, ttft, tp, pp, repeats=max(run.requests, 1))]


def met_idle(served: Sequence[ServedRequest]) -> list[ServedRequest]:
    """Return the requests that were sent when every earlier one had been answered.

    Examples
    --------
    >>> first = ServedRequest(0.0, 100, 10, 0.1, 1.0)
    >>> late, lone = ServedRequest(0.5, 100, 10, 0.1, 1.0), ServedRequest(2.0, 100, 10, 0.1, 1.0)
    >>> [r.sent_s for r in met_idle([first, late, lone])]
    [0.0, 2.0]
    """
    met, busy_until = [], -np.inf
    # together in time means none of them was alone: the next one's sending is looked at too
    ordered = sorted(served, key=lambda r: r.sent_s or 0.0)
    for i, request in enumerate(ordered):
        sent = request.sent_s or 0.0
        following = ordered[i + 1].sent_s if i + 1 < len(ordered) else None
        if sent >= busy_until and (following is None or following >= sent + request.ttft_s):
            met.append(request)
        busy_until = max(busy_until, sent + request.e2e_s)
    return met


def in_flight(run: ServingRun) -> float | None:
    """Mean requests in flight, by Little's law: throughput x end-to-end time [-]; None where not said."""
    e2e = run.e2e.mean
    if e2e is None and run.ttft.mean is not None and run.tpot.mean is not None:
        e2e = run.ttft.mean + (run.output_tokens - 1.0) * run.tpot.mean
    rate = throughput(run)
    return None if e2e is None or rate is None else rate * e2e


def sent_at_once(run: ServingRun) -> bool:
    """Whether no steady load was offered: neither a rate, nor a concurrency that its requests could fill."""
    if run.concurrency is None:
        return run.request_rate is None
    return 0 < run.requests < run.concurrency


def throughput(run: ServingRun) -> float | None:
    """Requests answered per second [1/s]; None where the run does not say."""
    if run.throughput is not None:
        return run.throughput
    return run.requests / run.duration_s if run.duration_s and run.requests else None


def seen_batch(run: ServingRun) -> float | None:
    r"""Batch that a token sees on average, itself included [-].

    From requests one by one: :math:`\int B^2 dt / \int B\,dt`. Else b = throughput x (out - 1) x mean gap
    (Little) requests decode at a random time, and a token sees itself and the others: 1 + b in an open
    benchmark, 1 + b (N - 1)/N where N users hold the concurrency (arrival theorem). The others are spread
    over the decode instances.

    Examples
    --------
    >>> both = [ServedRequest(0.0, 100, 11, 1.0, 3.0), ServedRequest(1.0, 100, 11, 1.0, 4.0)]
    >>> run = ServingRun(2, 100, 11, served=tuple(both))                # decode on 1..3 and 2..5
    >>> seen_batch(run)                                                 # (1 + 4 + 2) / (1 + 2 + 2)
    1.4
    """
    spread = run.decode_instances or 1.0
    if run.served and all(r.sent_s is not None for r in run.served):
        seen = _batch_over_time(run.served)
        return None if seen is None else 1.0 + (seen - 1.0) / spread
    gap, rate = mean_gap(run), throughput(run)
    if gap is None or rate is None:
        return None
    others = 1.0 if run.concurrency is None else max(run.concurrency - 1.0, 0.0) / run.concurrency
    return 1.0 + rate * (run.output_tokens - 1.0) * gap * others / spread


def mean_gap(run: ServingRun) -> float | None:
    """Mean time between tokens [s]: ITL over gaps, else TPOT over requests, else the median TPOT."""
    known = (run.itl.mean, run.tpot.mean, run.tpot.p50)
    return next((gap for gap in known if gap is not None), None)


def mean_context(run: ServingRun) -> float:
    """Mean context of a sequence over its decode: prompt and half the output [tok]."""
    return run.prompt_tokens + run.output_tokens / 2.0


def run_name(run: ServingRun) -> str:
    """Return what tells a run from its neighbours: its label, else its load and lengths.

    Examples
    --------
    >>> run_name(ServingRun(100, 1000, 200, request_rate=2.5))
    '2.5 req/s, 1,000 in, 200 out'
    """
    if run.label:
        return run.label
    load = "all at once" if run.request_rate is None else f"{run.request_rate:g} req/s"
    load = load if run.concurrency is None else f"concurrency {run.concurrency:g}"
    return f"{load}, {run.prompt_tokens:,.0f} in, {run.output_tokens:,.0f} out"


def _batch_over_time(served: Sequence[ServedRequest]) -> float | None:
    """Return the batch weighted with itself over time; None if nothing decodes."""
    several = [r for r in served if r.output_tokens > 1]
    begins = np.array([(r.sent_s or 0.0) + r.ttft_s for r in several])
    ends = np.array([(r.sent_s or 0.0) + r.e2e_s for r in several])
    times = np.concatenate([begins, ends])
    order = np.argsort(times, kind="stable")
    batch = np.cumsum(np.where(order < begins.size, 1.0, -1.0))[:-1]
    span = np.diff(times[order])
    total = float(batch @ span)
    return None if total <= 0 else float(batch**2 @ span) / total


def _decode_points(run: ServingRun, tp: int, pp: int, notes: list[str]) -> list[DecodePoint]:
    """Return one point for each group of requests where they are known one by one, else one of the run."""
    if run.itl.p50 is None:
        grouped = grouped_decode_points(run.served, run.decode_instances or 1.0, tp, pp)
        if grouped:
            notes.append(
                "decode times are the median TPOT of requests grouped by the batch that they met; it holds "
                "the prefill steps in between; groups of one run are not independent"
            )
            return list(grouped)
    point = _decode_point(run, tp, pp, notes)
    return [] if point is None else [point]


def _decode_point(run: ServingRun, tp: int, pp: int, notes: list[str]) -> DecodePoint | None:
    """Return the decode point of a run; None where gaps or throughput are not said."""
    batch = seen_batch(run)
    mean_name = "mean TPOT" if run.itl.mean is not None or run.tpot.mean is not None else "median TPOT"
    gap, name = (run.itl.p50, "median ITL") if run.itl.p50 is not None else (mean_gap(run), mean_name)
    if batch is None or gap is None or run.output_tokens <= 1:
        notes.append(f"{run_name(run)} gives no decode point: it lacks TPOT or throughput")
        return None
    if run.itl.p50 and run.itl.mean and run.itl.p50 > MOSTLY_MIXED * run.itl.mean:
        notes.append(
            f"{run_name(run)} gives no decode point: its median ITL is above the mean, so most steps "
            "carried prefill work"
        )
        return None
    held = "" if name == "median ITL" else ", which holds the prefill steps between decode steps too"
    notes.append(
        f"decode times are the {name} of runs{held}; batch by Little's law, context prompt + output/2"
    )
    if sent_at_once(run):
        notes.append(
            "some runs sent everything at once: their batch falls during the run, so it is a rough mean"
        )
    return DecodePoint(batch, mean_context(run), gap, tp, pp, max(run.requests, 1))
