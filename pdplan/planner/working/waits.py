"""The mean wait before prefill: a formula where there is one, else its law put back into its equation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.planner.stations import PrefillSide
from pdplan.planner.working.build import Quantity, Term, by_formula, computed
from pdplan.queueing.mg1 import mg1_mean_wait_s
from pdplan.queueing.mm1 import mm1_mean_wait_s
from pdplan.symbolic import Derivation

#: Points at which the law is put back.
_POINTS = 20_000


def wait_derivation(side: PrefillSide, name: str) -> Derivation:
    """Return the mean wait of a prompt for its prefill."""
    station = side.station
    wait = Quantity(name, "Mean wait before prefill", "E[W]", "s", station.mean_wait_s)
    rate, n, service = station.arrival_rate / side.count, side.count, station.service
    alone = (station.router == "random" or n == 1) and not station.unequal_stages
    if station.discipline == "mm1" and station.router in ("random", "round_robin"):
        return by_formula(
            *wait,
            mm1_mean_wait_s,
            trust=station.trust,
            arrival_rate=Term(rate, "lambda", "1/s"),
            service_s=Term(service.mean_s, "S", "s"),
        )
    if station.discipline == "one_at_a_time" and alone:
        return by_formula(
            *wait,
            mg1_mean_wait_s,
            trust=station.trust,
            arrival_rate=Term(rate, "lambda", "1/s"),
            mean_service_s=Term(service.mean_s, "S", "s"),
            service_scv=Term(service.scv, "SCV"),
        )
    if station.discipline == "batched" and station.ranks == 1:
        return _batched(side, wait)
    if station.ranks > 1:
        return _ranked(side, wait)
    law: Any = station.queue
    return computed(
        *wait,
        equation="W = max(0, W + S - A) in law; E[W] = integral of P(W > t) dt",
        latex=r"W \overset{d}{=} \max(0,\, W + S - A),\qquad \mathrm{E}[W] = \int_0^\infty P(W > t)\,dt",
        method=f"{station.discipline}, {station.router}: law {type(law).__name__} at load "
        f"{station.utilization:.3f}",
        residual=_mean_residual(law),
        residual_of="integral of P(W > t) dt over E[W] - 1",
        source="docs/theory/prefill",
        trust=station.trust,
    )


def _batched(side: PrefillSide, wait: Quantity) -> Derivation:
    """Prompts that share steps: the law of what waits, put through one more step."""
    station = side.station
    chain = station.batching.chain
    return computed(
        *wait,
        equation="Q' = max(Q - B, 0) + A(d(min(Q, B))) in law: prompt tokens Q at the start of a step",
        latex=r"Q' = (Q - B)^{+} + A\bigl(d(\min(Q, B))\bigr),\qquad Q' \overset{d}{=} Q",
        method=f"stationary law on {chain.pmf.size} points of {chain.unit_tokens:.0f} tokens; E[W] is a "
        "prompt's time in the instance beyond its own step; "
        f"{station.router} over {side.count}: scaled from one instance",
        residual=chain_residual(chain),
        residual_of="rate of tokens in over tokens out - 1",
        source="N. T. J. Bailey, J. R. Statist. Soc. B 16 (1954) 80-87; docs/theory/prefill",
        trust=station.trust,
    )


def _ranked(side: PrefillSide, wait: Quantity) -> Derivation:
    """Attention ranks with queues of their own and steps in common."""
    station = side.station
    chain = station.ranked.chain
    return computed(
        *wait,
        equation="Q' = max(Q - b, 0) + A(D) in law: prompt tokens Q at one of r ranks, D the slowest's step",
        latex=r"Q' = (Q - b)^{+} + A(D),\qquad D = \max_{j \le r} d(Q_j)",
        method=f"fixed point on {chain.pmf.size} points of {chain.unit_tokens:.0f} tokens, "
        "ranks independent; E[W] is the time of a prompt of mean length beyond its least",
        residual=_mean_residual(station.ranked),
        residual_of="integral of P(W > t) dt over E[W] - 1",
        source="docs/validation/moe",
        trust=station.trust,
    )


def chain_residual(chain: Any) -> float:
    """Tokens that steps carry per second over those that arrive, less 1: 0 for a stationary law.

    Time passes in steps and in idle spells; a law that is not stationary loses or gains tokens.
    """
    m = chain.budget_units
    carried = np.append(chain.pmf[:m], chain.pmf[m:].sum())
    busy = carried * chain.duration_s
    busy[0] *= 1.0 - chain.idle
    cycle_s: float = float(busy.sum()) + float(carried[0]) * chain.idle / chain.arrival_rate
    served = float(carried @ np.arange(m + 1)) / cycle_s
    offered: float = chain.units_per_s
    return served / offered - 1.0


def _mean_residual(law: Any) -> float:
    """Integral of the tail over the mean, less 1."""
    mean = float(law.mean_wait_s)
    if mean == 0:
        return 0.0
    far = float(np.max(law.wait_quantile_s(np.array([1.0 - 1e-6])))) * 1.5 + mean
    edges = np.linspace(0.0, far, _POINTS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return float(np.sum(np.asarray(law.wait_sf(middle), dtype=float)) * (edges[1] - edges[0])) / mean - 1.0
