"""What stands around a plan: the runner-up, what breaks first, what moves most, doubt, spares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.planner.formulas.room import growth_of
from pdplan.planner.headroom import FleetBreakEven, Headroom, _excess, moved
from pdplan.planner.outlook import Swing
from pdplan.planner.sensitivity_inputs import LEVERS, SWING
from pdplan.planner.spares_law import short_share
from pdplan.planner.working.build import Term, by_formula, computed, given, quantile_residual
from pdplan.planner.working.fewer import fleet_values
from pdplan.planner.working.runners import runner_up_derivations
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.doubt_answer import Probability
    from pdplan.planner.spares_count import JointSpares

_LEVERS = {v.name: v for v in LEVERS}


def outlook_derivations(plan: Plan, ends: dict[str, str]) -> list[Derivation]:
    """Return every number of the five lines around a plan."""
    seen = plan.outlook
    rows: list[Derivation] = []
    if seen.runner_up is not None:
        rows += runner_up_derivations(plan, seen.runner_up)
    if isinstance(seen.nearest, FleetBreakEven) and seen.nearest.factor is not None:
        rows += _nearest(plan, seen.nearest, seen.nearest.factor)
    if not isinstance(seen.swing, str):
        rows += _swing(plan, seen.swing, ends[seen.swing.class_name])
    if not isinstance(seen.chance, str):
        rows += _chance(seen.chance, seen.samples)
    if not isinstance(seen.spares, str):
        rows += _spares(seen.spares)
    return rows


def _nearest(plan: Plan, row: FleetBreakEven, factor: float) -> list[Derivation]:
    """Return how far the input nearest to failure may move, and what fails there."""
    chosen, lever = plan.basis.chosen, _LEVERS[row.name]
    headroom = Headroom(chosen)
    past = headroom._at(lever, row.distance + 0.01)
    found = [
        computed(
            "breaks_first.factor",
            f"Factor on the {row.words} at which the fleet fails",
            "x",
            "",
            factor,
            equation="worst excess over an objective or load limit at x = 0",
            latex=r"\max_k \ln \frac{y_k(x)}{y_{k,\max}} = 0",
            method="bracketed root on the fleet as planned, one input at a time",
            residual=_excess(moved(chosen, lever, factor)),
            residual_of="log of the worst excess at x",
            source="docs/theory/planning",
            trust=Trust.APPROXIMATE,
        ),
        by_formula(
            "breaks_first.change",
            f"Relative change of the {row.words} at which the fleet fails",
            "dx",
            "",
            factor - 1.0,
            growth_of,
            trust=Trust.APPROXIMATE,
            after=Term(factor, "x", "", "breaks_first.factor"),
            before=Term(1.0, "x_0"),
        ),
    ]
    return found + fleet_values(past, "breaks_first", "where the fleet fails")


def _swing(plan: Plan, row: Swing, of: str) -> list[Derivation]:
    """Return the latency that moves most, before and after."""
    metric, stat = row.metric.split("_")
    before = f"{metric}{of}.{stat}"
    found = [
        given("most_sensitive.step", "Step of each input", "dx", "", SWING, "fixed"),
    ]
    if row.after_s is None:
        return found
    lever = next(v for v in LEVERS if v.words == row.words)
    fleet = moved(plan.basis.chosen, lever, 1.0 + SWING)
    demand = next(d for d in fleet.problem.demands if d.name == row.class_name)
    left = quantile_residual(fleet.ttft(demand).sf, row.after_s, 0.99, 1e-6) if stat == "p99" else 0.0
    return [
        *found,
        computed(
            "most_sensitive.after",
            f"{stat} of {metric.upper()} of {row.class_name} at 10% more {row.words}",
            f"{metric.upper()}_{stat}",
            "s",
            row.after_s,
            equation="as the same quantity of the plan, with one input 10% more",
            latex=r"q = \min\{t : P(X > t) \le 1 - p\}",
            method="the plan's laws on the same fleet",
            residual=left,
            residual_of="distance of 1 - p from [P(X > q), P(X >= q)]",
            source="docs/theory/composition",
            trust=Trust.APPROXIMATE,
        ),
        by_formula(
            "most_sensitive.change",
            f"Relative change of {before}",
            "dy",
            "",
            row.after_s / row.before_s - 1.0,
            growth_of,
            trust=Trust.APPROXIMATE,
            after=Term(row.after_s, "y_1", "s", "most_sensitive.after"),
            before=Term(row.before_s, "y_0", "s", before),
        ),
    ]


def _chance(chance: Probability, samples: int) -> list[Derivation]:
    half = 0.5 * (chance.high - chance.low)
    return [
        computed(
            "doubt.probability",
            "Chance that every objective holds, inputs off as far as they may be",
            "P_ok",
            "",
            chance.value,
            equation="share of scrambled Sobol points of the uncertain inputs at which every objective holds",
            latex=r"\hat P = \frac{1}{n} \sum_j 1\{\text{every objective holds at } x_j\}",
            method=f"{samples} points, judged by the plan's formulas; Wilson's interval",
            residual=half,
            residual_of="half of the 95% interval",
            source="E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212",
            trust=Trust.APPROXIMATE,
        ),
        given("doubt.low", "Lower end of its 95% interval", "P_low", "", chance.low, "Wilson's interval"),
        given("doubt.high", "Upper end of its 95% interval", "P_high", "", chance.high, "Wilson's interval"),
        given("doubt.samples", "Points drawn", "n", "", samples, "pdplan.planner.doubt_report.SAMPLES"),
    ]


def _spares(row: JointSpares) -> list[Derivation]:
    a = row.availability
    where = "availability of the scenario" if not row.assumed else f"defaults of {', '.join(row.assumed)}"
    up = 1.0
    for count, need in ((row.prefill, row.needs[0]), (row.decode, row.needs[1])):
        up *= 1.0 - short_share(need.needed, count, need.down)
    return [
        given("spares.target", "Share of time that the fleet must be whole", "A_min", "", a.target, where),
        given("spares.mtbf", "Mean time between failures of a GPU", "MTBF", "s", a.mtbf, where),
        given("spares.mttr", "Mean time to repair", "MTTR", "s", a.mttr, where),
        *(
            computed(
                f"spares.{role}",
                f"Spare {role} instances",
                f"k_{role[0].upper()}",
                "",
                count,
                equation="cheapest k with P(at least n of n + k instances up, in both pools) >= target",
                latex=r"P(U_P \ge n_P)\,P(U_D \ge n_D) \ge A_{\min}",
                method="binomial law of the instances that are up",
                residual=max(0.0, a.target - up),
                residual_of="target less the availability reached, 0 where it is reached",
                source="docs/theory/planning",
            )
            for role, count in (("prefill", row.prefill), ("decode", row.decode))
        ),
    ]
