"""Every objective: its limit, what comes of it, the room left."""

from __future__ import annotations

from pdplan.planner.formulas.room import share_slack_of, slack_of
from pdplan.planner.result import ClassPlan, Objective
from pdplan.planner.working.build import Term, by_formula, computed, given
from pdplan.spec.slo import JointTarget
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def objective_name(o: Objective) -> str:
    """Return the name of an objective in quantities: ``ttft.p99``, ``joint``."""
    return "joint" if isinstance(o.target, JointTarget) else f"{o.target.metric}.{o.target.stat}"


def objective_derivations(
    c: ClassPlan, of: str, values: dict[str, str], prefix: str = "slo"
) -> list[Derivation]:
    """Return limit and slack of each objective; ``values``: the quantities that limits are held to."""
    rows: list[Derivation] = []
    for o in c.objectives:
        name = f"{prefix}{of}.{objective_name(o)}"
        rows += _joint(c, o, name) if isinstance(o.target, JointTarget) else _single(c, o, name, of, values)
    return rows


def _single(c: ClassPlan, o: Objective, name: str, of: str, values: dict[str, str]) -> list[Derivation]:
    what = objective_name(o)
    # a simulation that settled an objective gives its value
    held_to = f"verification{of}.{what}" if o.trust is Trust.SIMULATED else values.get(what, "")
    return [
        given(
            f"{name}.limit",
            f"Limit of {c.name}: {o.target}",
            "y_max",
            "s",
            o.limit,
            f"slo of class {c.name} in the scenario",
        ),
        slack_derivation(o, c.name, name, Term(o.value, "y", "s", held_to)),
    ]


def slack_derivation(o: Objective, who: str, name: str, value: Term, beside: str = "") -> Derivation:
    """Return the room left of an objective; ``beside`` names a fleet that is not the plan's."""
    share = isinstance(o.target, JointTarget)
    symbol, unit = ("a_min", "") if share else ("y_max", "s")
    what = "of the misses allowed, those not used" if share else str(o.target)
    return by_formula(
        f"{name}.slack",
        f"Room left of {who}: {what}{beside}",
        "slack",
        "",
        o.slack,
        share_slack_of if share else slack_of,
        trust=o.trust,
        limit=Term(o.limit, symbol, unit, f"{name}.limit"),
        value=value,
    )


def joint_limits(target: JointTarget, who: str, name: str) -> list[Derivation]:
    """Return the two limits that a joint objective names."""
    where = "slo of the scenario"
    return [
        given(f"{name}.ttft", f"TTFT limit of {who}", "x", "s", target.ttft_s, where),
        given(f"{name}.tpot", f"TPOT limit of {who}", "y", "s", target.tpot_s, where),
    ]


def _joint(c: ClassPlan, o: Objective, name: str) -> list[Derivation]:
    assert isinstance(o.target, JointTarget)
    rows = [
        given(
            f"{name}.limit",
            f"Attainment asked of {c.name}",
            "a_min",
            "",
            o.limit,
            f"slo of class {c.name} in the scenario",
        ),
        *joint_limits(o.target, c.name, name),
    ]
    outside = max(0.0, o.low - o.value, o.value - o.high)
    for end, value, how in (
        ("low", o.low, "sum_i w_i max(0, F_i(x) + G_i(y) - 1)"),
        ("attainment", o.value, "sum_i w_i F_i(x) G_i(y)"),
        ("high", o.high, "sum_i w_i min(F_i(x), G_i(y))"),
    ):
        rows.append(
            computed(
                f"{name}.{end}",
                f"Share of requests of {c.name} within both limits"
                + {"low": ", at least", "high": ", at most", "attainment": ""}[end],
                "a" if end == "attainment" else f"a_{end}",
                "",
                value,
                equation=f"a = {how}, F_i of TTFT and G_i of TPOT given the lengths i",
                latex=r"a = \sum_i w_i\, C(F_i(x), G_i(y))",
                method="laws given the lengths, bounded after Frechet whatever ties them beyond lengths",
                residual=outside,
                residual_of="how far the value lies outside its bounds",
                source="M. Frechet 1951; docs/theory/composition",
                trust=Trust.BOUNDED,
            )
        )
    rows.append(slack_derivation(o, c.name, name, Term(o.value, "a", "", f"{name}.attainment")))
    return rows
