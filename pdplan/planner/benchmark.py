"""The arithmetic of benchmarked instances: P/D counts without queueing in decode (arXiv 2603.04716)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.problem import Problem
from pdplan.serving.decode_table import DecodeTable
from pdplan.serving.pd_sizing import PdCounts, pd_counts
from pdplan.serving.prefill_throughput import effective_prefill_throughput
from pdplan.spec.scenario import InlineLatency
from pdplan.spec.slo import Target


@dataclass(frozen=True, eq=False)
class BenchmarkArithmetic:
    """Counts from a prefill maximum and a decode table, with isolated and with in-system decode steps.

    The isolated row is the paper's own arithmetic (its polynomial of throughput over TPOT); the in-system row
    divides the table by the step factor and reads it straight between its rows.

    ``stated`` and its shares speak of the scenario's stated fleet, if there is one.
    """

    total_tokens_per_s: float
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    counts: PdCounts
    step_factor: float
    decode_in_system_tokens_per_s: float
    counts_in_system: PdCounts
    stated: tuple[int, int] | None

    @property
    def stated_carries(self) -> float | None:
        """Tokens per second that the stated fleet carries with in-system steps."""
        if self.stated is None:
            return None
        return self.total_tokens_per_s * float(self.counts_in_system.carried_fraction(*self.stated))

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""

        def counts(c: PdCounts) -> dict[str, float]:
            return {"prefill": _r(c.prefill), "decode": _r(c.decode), "ratio": _r(c.ratio)}

        return {
            "total_tokens_per_s": _r(self.total_tokens_per_s),
            "prefill_tokens_per_s": _r(self.prefill_tokens_per_s),
            "decode_tokens_per_s": _r(self.decode_tokens_per_s),
            "counts": counts(self.counts),
            "step_factor": self.step_factor,
            "decode_in_system_tokens_per_s": _r(self.decode_in_system_tokens_per_s),
            "counts_in_system": counts(self.counts_in_system),
            "stated_fleet": None
            if self.stated is None
            else {"prefill": self.stated[0], "decode": self.stated[1]},
            "stated_carries_tokens_per_s": None if self.stated_carries is None else _r(self.stated_carries),
        }


def benchmark_arithmetic(problem: Problem) -> BenchmarkArithmetic | None:
    """Return the arithmetic where a benchmark table meets one class with mean TTFT and TPOT targets.

    Raises
    ------
    InfeasibleError
        The TTFT target is not above overhead plus bare prefill.
    """
    scenario = problem.scenario
    latency = scenario.latency
    if not isinstance(latency, InlineLatency) or len(problem.traffic) != 1:
        return None
    targets = problem.traffic[0].slo.targets
    ttft, tpot = _mean(targets, "ttft"), _mean(targets, "tpot")
    if ttft is None or tpot is None:
        return None
    demand = problem.demand
    prompt, output = demand.mean_prompt_tokens, demand.mean_output_tokens
    total = demand.arrival_rate * (prompt + output)
    prefill = effective_prefill_throughput(latency.max_prefill, prompt, ttft.limit_s, latency.overhead)
    table = DecodeTable.from_mapping({float(b): t for b, t in latency.decode_table.items()})
    factor = scenario.decode.step_factor
    try:
        isolated = float(table.quadratic_throughput(tpot.limit_s))
        slowed = table.in_system(factor)
        in_system = float(slowed.throughput(slowed.largest_batch(tpot.limit_s)))
    except (InputError, InfeasibleError):
        return None
    fleet = scenario.fleet
    return BenchmarkArithmetic(
        total,
        prefill,
        isolated,
        pd_counts(total, prompt, output, prefill, isolated),
        factor,
        in_system,
        pd_counts(total, prompt, output, prefill, in_system),
        None if fleet is None else (fleet.prefill.count, fleet.decode.count),
    )


def _mean(targets: tuple[Target, ...], metric: str) -> Target | None:
    return next((t for t in targets if t.metric == metric and t.probability is None), None)


def _r(x: float) -> float:
    return float(f"{x:.10g}")
