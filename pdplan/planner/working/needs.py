"""Instances before rounding, and what rounding does; what breaks with one instance fewer."""

from __future__ import annotations

import math

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas.load import pool_utilization
from pdplan.planner.formulas.room import carried_share, need_at_load, ratio_of
from pdplan.planner.need import excess
from pdplan.planner.result import Need
from pdplan.planner.search import Search
from pdplan.planner.vary import scaled
from pdplan.planner.working.build import Term, by_formula, computed, given
from pdplan.planner.working.fewer import value_derivations
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

#: Counts this close to those of the load limit are set by it.
_SAME = 1e-6
#: What the root of a need may leave.
_CLOSE = 0.05


def need_derivations(search: Search, chosen: Disaggregated, need: Need) -> list[Derivation]:
    """Return fractional counts, their ratio, and what rounding down carries."""
    rows = [_count(search, chosen, role, need) for role in ("prefill", "decode")]
    p = Term(need.prefill, "N_P", "", "need.prefill")
    d = Term(need.decode, "N_D", "", "need.decode")
    rows.append(
        by_formula(
            "need.ratio",
            "Prefill over decode instances, before rounding",
            "R",
            "",
            need.prefill / need.decode,
            ratio_of,
            trust=Trust.APPROXIMATE,
            first=p,
            second=d,
        )
    )
    down = {role: max(1, int(getattr(need, role))) for role in ("prefill", "decode")}
    rows += [
        given(
            f"need.{role}.rounded_down",
            f"Whole {role} instances below the need",
            "n_down",
            "",
            n,
            "rounded down, at least 1",
        )
        for role, n in down.items()
    ]
    rows.append(
        by_formula(
            "need.carried",
            "Share of the demand that the fleet rounded down carries",
            "s",
            "",
            need.carried(down["prefill"], down["decode"]),
            carried_share,
            trust=Trust.APPROXIMATE,
            prefill_need=p,
            decode_need=d,
            prefill_instances=Term(down["prefill"], "n_P", "", "need.prefill.rounded_down"),
            decode_instances=Term(down["decode"], "n_D", "", "need.decode.rounded_down"),
        )
    )
    return rows


def _count(search: Search, chosen: Disaggregated, role: str, need: Need) -> Derivation:
    side = chosen.prefill if role == "prefill" else chosen.decode
    value, letter = float(getattr(need, role)), role[0].upper()
    limit = chosen.problem.scenario.max_utilization
    work = side.count * side.utilization  # the same for any number of instances
    name, title, symbol = f"need.{role}", f"{role.capitalize()} instances before rounding", f"N_{letter}"
    if abs(value * limit / work - 1) < _SAME:
        return by_formula(
            name,
            title,
            symbol,
            "",
            value,
            need_at_load,
            instances=Term(side.count, f"n_{letter}", "", f"{role}.instances"),
            utilization=Term(side.utilization, f"rho_{letter}", "", f"{role}.utilization"),
            max_utilization=Term(limit, "rho_max", "", "max_utilization"),
        )
    count, residual = _root(search, chosen, role, value)
    scale = count / value
    return computed(
        name,
        title,
        symbol,
        "",
        value,
        equation=f"N = n / x, x the largest multiple of the demand that n = {count} carry",
        latex=r"N = n / x,\quad x = \max\{s : \text{every objective holds at } s\lambda\}",
        method=f"bracketed root in the load of one pool (regula falsi), x = {scale:.4f} to 0.2%",
        residual=residual,
        residual_of="log of the worst excess over an objective at x, 0 at its limit",
        source="Li, Li, Gong, Zhang 2026, arXiv 2603.04716 (at one instance); docs/theory/planning",
        trust=Trust.APPROXIMATE,
        rests_on=(f"{role}.instances",),
    )


def _root(search: Search, chosen: Disaggregated, role: str, value: float) -> tuple[int, float]:
    """Return the count that the need was read at, and what is left of its objective there.

    That of the fleet; or, where a simulation proved fewer enough, the count that the formulas ask for.
    """
    side = chosen.prefill if role == "prefill" else chosen.decode
    counts = dict.fromkeys([side.count, *range(max(1, math.ceil(value)), math.ceil(value) + 4)])
    left = [(n, load_excess(search, chosen, role, n / value, n)) for n in counts if n >= value]
    return min(left, key=lambda pair: (abs(pair[1]) > _CLOSE, list(counts).index(pair[0])))


def load_excess(search: Search, chosen: Disaggregated, role: str, scale: float, count: int) -> float:
    """Log of the worst excess of a fleet whose one pool is loaded by ``scale``; infinite if overloaded."""
    other = Search(scaled(search.problem, scale)).evaluator
    try:
        if role == "prefill":
            side = other.prefill(chosen.prefill.option, count)
            return excess(Disaggregated(search.problem, side, chosen.decode))
        more = other.decode(chosen.decode.option, count)
        return excess(Disaggregated(search.problem, chosen.prefill, more))
    except (UnstableError, InfeasibleError):
        return float("inf")


def fewer_derivations(search: Search, chosen: Disaggregated) -> list[Derivation]:
    """Return what a fleet with one instance fewer would come to, for each pool of two or more."""
    rows: list[Derivation] = []
    for role, side in (("prefill", chosen.prefill), ("decode", chosen.decode)):
        if side.count < 2:
            continue
        letter = role[0].upper()
        p = chosen.prefill.count - (role == "prefill")
        d = chosen.decode.count - (role == "decode")
        rows.append(
            by_formula(
                f"fewer.{role}.utilization",
                f"Load of the {role} pool with one instance fewer",
                f"rho_{letter}",
                "",
                side.utilization * side.count / (side.count - 1),
                pool_utilization,
                arrival_rate=Term(chosen.problem.demand.arrival_rate, "lambda", "1/s", "rate.total"),
                work_s=Term(side.utilization * side.count / chosen.problem.demand.arrival_rate, "S", "s"),
                instances=Term(side.count - 1, f"n_{letter}"),
            )
        )
        try:
            rows += value_derivations(
                search.evaluator.fleet(chosen.prefill.option, p, chosen.decode.option, d), role
            )
        except (UnstableError, InfeasibleError):
            continue
    return rows
