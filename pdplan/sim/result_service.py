"""Service that a run gave: attainment of targets, throughput, the parts of TTFT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.sim.measured import quantity_values
from pdplan.sim.result_parts import Attainment, Statistic, Target, Throughput
from pdplan.sim.statistics import mean_estimate
from pdplan.sim.window import FEWEST

if TYPE_CHECKING:
    from pdplan.sim.result import SimResult


def attainment_of(result: SimResult, target: Target | Sequence[Target], class_name: str | None) -> Attainment:
    """Return the shares of requests that meet a target, or that of their class, marginal and joint.

    ``target``: one for all requests, or one for each class number 0, 1, ...
    """
    which = result.window.in_order(result.chosen(class_name))
    raw = result.raw
    ttft_s, tpot_s = limits(result, target, which)
    completed = raw.completed[which]
    several = raw.output_tokens[which] > 1
    ttft = completed & (raw.ttft_s[which] <= ttft_s)
    tpot = completed & (raw.tpot_s[which] <= tpot_s)
    return Attainment(
        share(result, ttft),
        share(result, tpot[several]),
        share(result, ttft & (tpot | ~several)),
        target if isinstance(target, Target) else tuple(target),
        which.size,
        int((~several).sum()),
        int((~completed).sum()),
    )


def limits(result: SimResult, target: Target | Sequence[Target], which: NDArray[np.int64]) -> tuple[Any, Any]:
    """Limits on TTFT and TPOT, one for all or one for each request [s]."""
    if isinstance(target, Target):
        return target.ttft_s, target.tpot_s
    ids = result.raw.class_id[which]
    if ids.size and int(ids.max()) >= len(target):
        raise InputError(f"{len(target)} targets for classes up to number {ids.max()}: give one for each")
    pairs = np.array([(t.ttft_s, t.tpot_s) for t in target]).reshape(-1, 2)
    return pairs[ids, 0], pairs[ids, 1]


def share(result: SimResult, met: NDArray[np.bool_]) -> Statistic:
    """Return the share of requests that met a limit, with its interval [-]."""
    if met.size == 0:
        return Statistic(None)
    if result.bare or met.size < FEWEST:
        return Statistic(float(met.mean()))
    witness = mean_estimate(met.astype(float))
    low, high = witness.interval(result.confidence)
    return Statistic(witness.estimate, max(low, 0.0), min(high, 1.0), witness)


def throughput_of(result: SimResult) -> Throughput:
    """Completed between the warm-up and the last arrival; of a transient, over all of its time."""
    start = result.window.from_s
    end = result.raw.until_s if result.transient else result.window.until_s
    span = end - start
    which = result.raw.completed & (result.raw.end_s >= start) & (result.raw.end_s <= end)
    if not span > 0:
        return Throughput(0.0, 0.0, 0.0)
    return Throughput(
        float(which.sum()) / span,
        float(result.raw.prompt_tokens[which].sum(dtype=np.int64)) / span,
        float(result.raw.output_tokens[which].sum(dtype=np.int64)) / span,
    )


def mean_parts(result: SimResult, class_name: str | None) -> dict[str, float]:
    """Return the mean parts of TTFT [s]: overhead, queue, prefill, transfer, admission, first step.

    They add up to the mean TTFT. Where prefill emits the first token, transfer and admission come after
    it: they are given with the others and lie in TPOT instead.
    """
    which = result.chosen(class_name) & result.raw.completed
    if not which.any():
        return {}
    parts = {
        name: float(quantity_values(result.raw, name, which).mean())
        for name in ("queue", "prefill", "transfer", "admission")
    }
    overhead = 0.0
    if result.config is not None:
        per_token = result.config.overhead_s_per_token * float(result.raw.prompt_tokens[which].mean())
        overhead = result.config.overhead_s + per_token
    ttft = float(result.raw.ttft_s[which].mean())
    before = parts["queue"] + parts["prefill"]
    if not result.first_token_from_prefill:
        before += parts["transfer"] + parts["admission"]
    return {"overhead": overhead, **parts, "first_step": max(0.0, ttft - overhead - before)}
