"""The runner-up: its size, its price, and what keeps it from being smaller."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_reasons import _less
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas.cost import fleet_usd_per_hour, pool_usd_per_hour, saving_usd_per_hour
from pdplan.planner.formulas.room import ratio_of
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.working.build import Quantity, Term, by_formula, given
from pdplan.planner.working.fewer import fleet_values
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.runner_up import RunnerUp

_SPLIT = re.compile(r"(\d+) prefill (.+) \+ (\d+) decode (.+)")
_COLOCATED = re.compile(r"(\d+) colocated (.+)")


def runner_up_derivations(plan: Plan, second: RunnerUp) -> list[Derivation]:
    """Return every number that a plan prints of the runner-up."""
    problem = plan.basis.search.problem
    split = _SPLIT.fullmatch(second.label)
    if split is not None:
        kinds = {
            "prefill": (_option(problem.options("prefill"), split[2]), int(split[1])),
            "decode": (_option(problem.options("decode"), split[4]), int(split[3])),
        }
    else:
        alone = _COLOCATED.fullmatch(second.label)
        assert alone is not None
        kinds = {"colocated": (_option(problem.options("colocated"), alone[2]), int(alone[1]))}
    rows = [row for role, (option, n) in kinds.items() for row in _pool(role, option, n)]
    return [*rows, *_price(plan, second, kinds), *_fewer(problem, kinds)]


def _option(options: list[InstanceOption], label: str) -> InstanceOption:
    return next(o for o in options if o.label == label)


def _pool(role: str, option: InstanceOption, count: int) -> list[Derivation]:
    name, letter = f"runner_up.{role}", role[0].upper()
    found = "pdplan.planner.runner_up: the cheapest of other instances that surely meets the objectives"
    return [
        given(f"{name}.instances", f"Instances of its {role} pool", f"n_{letter}", "", count, found),
        given(f"{name}.gpus_each", f"GPUs of one ({option.label})", f"g_{letter}", "", option.gpus, found),
        given(
            f"{name}.price_each",
            f"Price of one {role} instance ({option.label})",
            f"c_{letter}",
            "USD/h",
            option.price_usd_per_hour,
            "prices of the scenario, else of the catalog",
        ),
    ]


def _price(plan: Plan, second: RunnerUp, kinds: dict[str, tuple[InstanceOption, int]]) -> list[Derivation]:
    """Return its price and what it costs more than the plan's fleet."""
    usd, own = second.usd_per_hour, plan.cost.usd_per_hour
    terms = {
        role: (
            Term(n, f"n_{role[0].upper()}", "", f"runner_up.{role}.instances"),
            Term(o.price_usd_per_hour, f"c_{role[0].upper()}", "USD/h", f"runner_up.{role}.price_each"),
        )
        for role, (o, n) in kinds.items()
    }
    cost = Quantity("runner_up.cost", "Price of the runner-up", "C_2", "USD/h", usd)
    plain = sum(o.price_usd_per_hour * n for o, n in kinds.values())
    if abs(plain - usd) > 1e-9 * max(usd, 1.0):
        price = given(*cost._replace(title=f"{cost.title}, in whole nodes"), "whole nodes")
    elif "colocated" in terms:
        count, each = terms["colocated"]
        price = by_formula(
            *cost,
            pool_usd_per_hour,
            trust=Trust.APPROXIMATE,
            instances=count,
            usd_per_hour_each=each,
        )
    else:
        price = by_formula(
            *cost,
            fleet_usd_per_hour,
            trust=Trust.APPROXIMATE,
            prefill_instances=terms["prefill"][0],
            prefill_usd_per_hour=terms["prefill"][1],
            decode_instances=terms["decode"][0],
            decode_usd_per_hour=terms["decode"][1],
        )
    rows = [
        price,
        by_formula(
            "runner_up.extra",
            "What the runner-up costs more (negative: less)",
            "dC",
            "USD/h",
            usd - own,
            saving_usd_per_hour,
            trust=Trust.APPROXIMATE,
            other_usd_per_hour=Term(usd, "C_2", "USD/h", "runner_up.cost"),
            usd_per_hour=Term(own, "C", "USD/h", "cost.per_hour"),
        ),
    ]
    if own > 0:
        rows.append(
            by_formula(
                "runner_up.extra_share",
                "What the two differ by, as a share of the plan's price",
                "dC_share",
                "",
                abs(usd - own) / own,
                ratio_of,
                trust=Trust.APPROXIMATE,
                first=Term(abs(usd - own), "dC", "USD/h"),
                second=Term(own, "C", "USD/h", "cost.per_hour"),
            )
        )
    return rows


def _fewer(problem: Problem, kinds: dict[str, tuple[InstanceOption, int]]) -> list[Derivation]:
    """Return what it would come to with one instance fewer, or a smaller one, in each pool."""
    rows: list[Derivation] = []
    for role, (option, count) in kinds.items():
        less = _less(problem, role, option, count)  # type: ignore[arg-type]
        if less is None:
            continue
        name = f"runner_up.fewer.{role}"
        each = f"GPUs of one instance of the smaller {role} pool"
        rows.append(
            given(f"{name}.gpus_each", each, "g", "", less[0].gpus, "the next smaller on its accelerator")
        )
        try:
            rows += fleet_values(_smaller(problem, kinds, role, less[0], less[1]), name, less[2])
        except (UnstableError, InfeasibleError) as error:
            offered = re.search(r"is offered ([\d.]+) of its capacity", str(error))
            if offered:
                title = f"Load of the runner-up with {less[2]}"
                rows.append(
                    given(f"{name}.offered", title, "rho", "", float(offered[1]), "the station's own check")
                )
    return rows


def _smaller(
    problem: Problem,
    kinds: dict[str, tuple[InstanceOption, int]],
    role: str,
    option: InstanceOption,
    count: int,
) -> Disaggregated | ColocatedFleet:
    if role == "colocated":
        return ColocatedFleet(problem, option, count)
    pools = {**kinds, role: (option, count)}
    prefill, decode = PrefillSide(problem, *pools["prefill"]), DecodeSide(problem, *pools["decode"])
    return Disaggregated(problem, prefill, decode)
