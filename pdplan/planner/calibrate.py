"""End-to-end benchmarks against step times: the in-system step factor and what TTFT holds besides prefill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.latency.fitting.runs import mean_gap, run_name, sent_at_once, throughput
from pdplan.latency.measured import ServingRun
from pdplan.latency.model import LatencyModel
from pdplan.planner.calibrate_overhead import overhead_line
from pdplan.planner.calibrate_predict import Predicted, predict
from pdplan.serving.roots import decreasing_root

#: Step factors that are believed: below, something else is wrong.
LEAST = 0.3
#: TTFT tells of overhead only while prefill is this little loaded: beyond, it is mostly waiting.
LIGHT = 0.3

#: Open runs of fewer requests are not steady, nor closed ones of fewer than ten for each user.
FEW = 50

#: Step times at one (tp, pp).
ModelAt = Callable[[int, int], LatencyModel]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run: measured, and by the laws with the calibrated step factor and overhead [s].

    ``step_factor``: the factor that meets this run's mean TPOT alone [-]; above 1 the engine was faster than
    its isolated steps.
    """

    label: str
    prompt_tokens: float
    step_factor: float
    tpot_measured_s: float
    tpot_s: float | None
    ttft_measured_s: float | None
    ttft_s: float | None
    overhead_used: bool

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "run": self.label,
            "prompt_tokens": round(self.prompt_tokens, 2),
            "step_factor": round(self.step_factor, 4),
            "tpot_measured_s": _r(self.tpot_measured_s),
            "tpot_s": _r(self.tpot_s),
            "ttft_measured_s": _r(self.ttft_measured_s),
            "ttft_s": _r(self.ttft_s),
            "used_for_overhead": self.overhead_used,
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """What end-to-end runs add to step times.

    Parameters
    ----------
    step_factor : float or None
        Median over runs of in-system over isolated decode speed, at most 1 [-]; None where no run tells.
    span : (float, float) or None
        Lowest and highest of the runs, not limited to 1 [-].
    ttft_overhead_s, ttft_overhead_per_token_s : float or None
        What TTFT holds besides waiting and prefill: a + b L_in [s], [s/tok]; None where no run tells.
    rows : tuple of RunRow
    notes : tuple of str
    """

    step_factor: float | None
    span: tuple[float, float] | None
    ttft_overhead_s: float | None
    ttft_overhead_per_token_s: float | None
    rows: tuple[RunRow, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "step_factor": _r(self.step_factor),
            "step_factor_span": None if self.span is None else [_r(x) for x in self.span],
            "ttft_overhead_s": _r(self.ttft_overhead_s),
            "ttft_overhead_per_token_s": _r(self.ttft_overhead_per_token_s),
            "runs": [r.document() for r in self.rows],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class _Case:
    """A run that can be held against the laws."""

    run: ServingRun
    model: LatencyModel
    rate: float
    tpot_s: float
    chunk_tokens: float

    def at(self, step_factor: float) -> Predicted | None:
        return predict(self.run, self.model, step_factor, self.rate, self.chunk_tokens)

    def factor(self) -> float | None:
        """Return the step factor that meets the mean TPOT; above 1, the ratio at 1; None where none does."""

        def excess(factor: float) -> float:
            found = self.at(factor)
            return 1e3 if found is None else found.tpot_s / self.tpot_s - 1.0

        if excess(1.0) >= 0:
            found = self.at(1.0)
            return None if found is None else found.tpot_s / self.tpot_s
        if excess(LEAST) <= 0:
            return None
        return float(decreasing_root(excess, LEAST, 1.0, rtol=1e-4))


def calibrate(
    runs: Sequence[tuple[tuple[int, int], ServingRun]],
    model_at: ModelAt,
    *,
    chunk_tokens: float = 2048.0,
    in_steps: bool = False,
    in_prefill: bool = False,
) -> Calibration:
    """Estimate the step factor, then the TTFT overhead, from runs at a known rate or concurrency.

    Parameters
    ----------
    runs : sequence of ((tp, pp), ServingRun)
    model_at : callable
        Step times at (tp, pp), isolated.
    chunk_tokens : float
        Token budget of a step of a colocated engine [tok].
    in_steps : bool
        The decode steps were themselves taken from runs: they are in-system, so the factor is 1.
    in_prefill : bool
        The prefill steps were themselves taken as TTFT: they hold the overhead.

    Notes
    -----
    Approximate: means of a finite run, against the stationary laws. A disaggregated run's overhead holds the
    KV transfer. The step factor takes every reason for slower steps, wrong lengths and swapping too.
    """
    cases, notes = _cases(runs, model_at, chunk_tokens)
    factors = []
    for case in cases:
        factor = case.factor()
        if factor is None:
            notes.append(
                f"{run_name(case.run)}: TPOT is out of reach of these step times at its load: not used"
            )
        factors.append(factor)
    told = np.array([f for f in factors if f is not None])
    step_factor = 1.0 if in_steps else (float(min(np.median(told), 1.0)) if told.size else None)
    if in_steps:
        notes.append(
            "decode steps come from end-to-end runs: what slows a running engine is in them; step factor 1"
        )
    elif told.size and np.median(told) > 1.0:
        notes.append(
            f"TPOT is {100 * (np.median(told) - 1):.1f}% below what the isolated steps give: "
            "step factor 1 is taken"
        )
    at = step_factor or 1.0
    predicted = [case.at(at) for case in cases]
    used = [_tells_overhead(c, p) for c, p in zip(cases, predicted, strict=True)]
    overhead = None if in_prefill else _overhead(cases, predicted, used, notes)
    if in_prefill and cases:
        notes.append(
            "prefill steps are TTFTs: the overhead is in their fixed term, which overstates their load"
        )
    fixed, per_token = overhead if overhead is not None else (0.0, 0.0)
    rows = tuple(
        RunRow(
            run_name(c.run),
            c.run.prompt_tokens,
            f,
            c.tpot_s,
            None if p is None else p.tpot_s,
            c.run.ttft.mean,
            None if p is None else p.ttft_s + fixed + per_token * c.run.prompt_tokens,
            overhead is not None and u,
        )
        for c, f, p, u in zip(cases, factors, predicted, used, strict=True)
        if f is not None
    )
    span = (float(told.min()), float(told.max())) if told.size else None
    fixed_known, per_token_known = (None, None) if overhead is None else overhead
    return Calibration(step_factor, span, fixed_known, per_token_known, rows, tuple(dict.fromkeys(notes)))


def _cases(
    runs: Sequence[tuple[tuple[int, int], ServingRun]], model_at: ModelAt, chunk_tokens: float
) -> tuple[list[_Case], list[str]]:
    """Return the runs that the laws can speak of, and why others were passed over."""
    cases, notes = [], []
    for degrees, run in runs:
        rate = throughput(run)
        tpot = run.tpot.mean if run.tpot.mean is not None else mean_gap(run)
        if sent_at_once(run):
            notes.append(f"{run_name(run)}: everything was sent at once: no steady load to compare with")
        elif rate is None or tpot is None or run.output_tokens <= 1:
            notes.append(f"{run_name(run)}: without throughput and TPOT it says nothing of steps")
        else:
            cases.append(_Case(run, model_at(*degrees), rate, tpot, chunk_tokens))
            if 0 < run.requests < (FEW if run.concurrency is None else 10 * run.concurrency):
                notes.append(
                    f"{run_name(run)}: {run.requests} requests only: its start and end weigh heavily"
                )
            if run.decode_instances is None:
                notes.append("runs that do not name instances are taken as one colocated, chunked engine")
            if not run.served:
                notes.append("lengths are taken at their means where the file does not have them one by one")
    return cases, notes


def _tells_overhead(case: _Case, predicted: Predicted | None) -> bool:
    return predicted is not None and case.run.ttft.mean is not None and predicted.prefill_load < LIGHT


def _overhead(
    cases: Sequence[_Case], predicted: Sequence[Predicted | None], used: Sequence[bool], notes: list[str]
) -> tuple[float, float] | None:
    """Return (a, b) of a + b L_in from the lightly loaded runs; None where there are none."""
    light = [(c.run, p) for c, p, u in zip(cases, predicted, used, strict=True) if u and p is not None]
    if not light:
        if cases:
            notes.append(
                f"no run with prefill loaded below {LIGHT:.0%}: the TTFT overhead cannot be told from waiting"
            )
        return None
    fixed, per_token, remark = overhead_line(
        np.array([run.prompt_tokens for run, _ in light], dtype=float),
        np.array([run.ttft.mean for run, _ in light], dtype=float),
        np.array([p.ttft_s for _, p in light]),
    )
    if remark:
        notes.append(remark)
    return fixed, per_token


def _r(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
