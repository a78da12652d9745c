"""The rate to plan for, read from a trace: what it is, and what share of the time it covers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdplan import units
from pdplan.errors import InputError
from pdplan.spec.trace_rate import TraceRate
from pdplan.workload import Trace, arrival_statistics, rate_for, window_rates

#: Local variation of gaps from which on arrivals inside a window are called burstier than Poisson [-].
BURSTY = 1.25


@dataclass(frozen=True, eq=False)
class TracedRate:
    """A rate and the trace behind it.

    Parameters
    ----------
    rate : float
        The rate to plan for [1/s].
    asked : TraceRate
        What the scenario asked for.
    trace : Trace
        The requests.
    mean_rate, busiest_rate : float
        Of the whole trace, and of its busiest window [1/s].
    windows : int
        Windows compared [-].
    covered : float
        Share of the windows whose rate does not exceed ``rate`` [-].
    local_scv : float or None
        Variation of gaps inside windows [-].
    """

    rate: float
    asked: TraceRate
    trace: Trace
    mean_rate: float
    busiest_rate: float
    windows: int
    covered: float
    local_scv: float | None

    def __str__(self) -> str:
        """Return one sentence."""
        what, name = self.asked.plan_for, Path(self.asked.trace).name
        window = units.show(self.asked.window_rate.window_s, "time")
        text = (
            f"planned for {units.show(self.rate, 'rate')}, the {what} of {name}: covers "
            f"{units.show(self.covered, 'fraction')} of the time, in {self.windows} windows of {window} "
            f"(mean {units.show(self.mean_rate, 'rate')}, busiest {units.show(self.busiest_rate, 'rate')})"
        )
        if self.local_scv is not None and self.local_scv > BURSTY:
            text += (
                f"; inside windows arrivals are burstier than Poisson (c_a^2 {self.local_scv:.2f}), which "
                "percentiles of waits do not hold: read the replay"
            )
        return text

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "trace": self.asked.trace,
            "plan_for": self.asked.plan_for,
            "rate_req_per_s": float(f"{self.rate:.10g}"),
            "mean_rate_req_per_s": float(f"{self.mean_rate:.10g}"),
            "busiest_rate_req_per_s": float(f"{self.busiest_rate:.10g}"),
            "windows": self.windows,
            "covered_share_of_time": float(f"{self.covered:.10g}"),
            "local_scv": None if self.local_scv is None else float(f"{self.local_scv:.10g}"),
        }


def traced_rate(asked: TraceRate, trace: Trace) -> TracedRate:
    """Return the rate that ``plan_for`` names.

    Raises
    ------
    InputError
        A window longer than the trace or too short for its clock, or a rate of zero.
    """
    probability, window_s = asked.window_rate
    try:
        found = rate_for(trace, window_s, 1.0 if probability is None else probability)
        rate, covered = found.rate, found.time_share
        if probability is None:
            rate = found.mean_rate
            covered = float(np.mean(window_rates(trace, window_s) <= rate))
    except InputError as error:
        raise InputError(f"plan_for: {asked.plan_for} of {asked.trace}: {error}") from None
    if rate <= 0:
        raise InputError(
            f"{asked.plan_for} of trace {asked.trace} is no request at all: plan for a higher percentile"
        )
    seen = arrival_statistics(trace.arrival_s, window_s=window_s)
    return TracedRate(
        rate, asked, trace, found.mean_rate, found.peak_rate, found.windows, covered, seen.local_scv
    )
