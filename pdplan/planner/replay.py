"""Replay the traces that a plan's rates were read from: the fleet under the traffic as it came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdplan import units
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.simulated import poisson_stream, run_fleet, stream_of
from pdplan.sim import result_parts
from pdplan.sim.result import SimResult
from pdplan.sim.stream import Stream, merged
from pdplan.spec.slo import JointTarget, Target
from pdplan.workload import Trace, detect_tick, spread_ticks

#: Most requests of one trace that are replayed: about a second of the engine.
MOST_REQUESTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """One objective of one class, as the replay turned out; ``value`` in [s], or the share of requests."""

    name: str
    target: Target | JointTarget
    value: float | None

    @property
    def met(self) -> bool:
        """Whether the objective was met over the whole replay."""
        if self.value is None:
            return True
        if isinstance(self.target, JointTarget):
            return self.value >= self.target.attainment
        return self.value <= self.target.limit_s

    def __str__(self) -> str:
        """Return a few words."""
        dimension = "fraction" if isinstance(self.target, JointTarget) else "time"
        value = "not seen" if self.value is None else units.show(self.value, dimension)
        return f"{self.name} {self.target}: {value}{'' if self.met else ' (MISSED)'}"

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        value = None if self.value is None else float(f"{self.value:.10g}")
        return {"class": self.name, "target": str(self.target), "value": value, "met": self.met}


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the objectives when the traces were served at their own times.

    One history, so there are no intervals: it shows what bursts and drifts do that a steady rate does not.
    ``left_out`` requests of long traces lie away from the busiest stretch.
    """

    files: tuple[str, ...]
    requests: int
    left_out: int
    span_s: float
    rows: tuple[Replayed, ...]

    @property
    def met(self) -> bool:
        """Whether every objective was met."""
        return all(row.met for row in self.rows)

    def __str__(self) -> str:
        """Return one sentence."""
        names = " and ".join(Path(f).name for f in self.files)
        kept = f" (the busiest stretch; {self.left_out:,} left out)" if self.left_out else ""
        text = f"Replayed {names}: {self.requests:,} requests over {_span(self.span_s)}{kept}: "
        text += "; ".join(str(row) for row in self.rows)
        if not self.met:
            text += (
                "; the trace is busier than plan_for at times: plan for a higher percentile of its windows"
            )
        return text

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "files": list(self.files),
            "requests": self.requests,
            "left_out": self.left_out,
            "span_s": float(f"{self.span_s:.10g}"),
            "met": self.met,
            "objectives": [row.document() for row in self.rows],
        }


def replay(fleet: Disaggregated, *, seed: int = 0) -> Replay | None:
    """Serve the traces of a fleet's classes at their own times; None where no rate comes from a trace.

    Classes with a plain rate keep their Poisson arrivals. Every trace starts at time 0; the shortest ends
    the replay, so that all classes are there throughout.
    """
    traffic = fleet.problem.traffic
    traced = [t.traced for t in traffic]
    files = tuple(dict.fromkeys(t.asked.trace for t in traced if t is not None))
    if not files:
        return None
    stretches = [None if t is None else _busiest(t.trace) for t in traced]
    span_s = min(float(s[0][-1]) for s in stretches if s is not None)
    streams: list[Stream] = []
    replayed = left_out = 0
    for i, (t, stretch) in enumerate(zip(traffic, stretches, strict=True)):
        if stretch is None:
            streams.append(poisson_stream(t.demand, max(1, round(t.demand.arrival_rate * span_s)), seed, i))
            continue
        arrival_s, prompt, output, left = stretch
        here = arrival_s <= span_s
        streams.append(stream_of(t.demand, arrival_s[here], prompt[here], output[here], i))
        replayed += int(here.sum())
        left_out += left
    stream = streams[0] if len(streams) == 1 else merged(streams)
    result = run_fleet(fleet, stream, seed, transient=True)
    rows = [
        Replayed(t.name, target, _value(result, t.name, target))
        for t in traffic
        for target in t.slo.objectives
    ]
    return Replay(files, replayed, left_out, span_s, tuple(rows))


def _busiest(trace: Trace) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Arrivals from 0 [s], lengths, requests left out: of a long trace the stretch that took least time."""
    arrival_s = spread_ticks(trace.arrival_s - trace.arrival_s[0], detect_tick(trace.arrival_s).tick_s)
    n = arrival_s.size
    if n <= MOST_REQUESTS:
        return arrival_s, trace.prompt_tokens, trace.output_tokens, 0
    start = int(np.argmin(arrival_s[MOST_REQUESTS - 1 :] - arrival_s[: n - MOST_REQUESTS + 1]))
    part = slice(start, start + MOST_REQUESTS)
    kept = arrival_s[part] - arrival_s[start]
    return kept, trace.prompt_tokens[part], trace.output_tokens[part], n - MOST_REQUESTS


def _value(result: SimResult, name: str, target: Target | JointTarget) -> float | None:
    if isinstance(target, JointTarget):
        return result.attainment(result_parts.Target(target.ttft_s, target.tpot_s), name).joint.value
    class_name = None if target.metric == "itl" else name
    return result.statistic(target.metric, target.probability, class_name).value


def _span(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
