"""What the fleet costs."""

from __future__ import annotations

from pdplan.planner.formulas.cost import (
    cost_per_million_tokens,
    fleet_usd_per_hour,
    pool_gpus,
    pool_usd_per_hour,
)
from pdplan.planner.problem import Problem
from pdplan.planner.result import Fleet
from pdplan.planner.working.build import Term, by_formula, computed, given
from pdplan.symbolic import Derivation


def cost_derivations(problem: Problem, fleet: Fleet, prefix: str = "") -> list[Derivation]:
    """Return GPUs, price per hour and per million tokens of a fleet."""
    p, d, cost = fleet.prefill, fleet.decode, fleet.cost
    mix = problem.demand
    gpus = by_formula(
        f"{prefix}cost.gpus",
        "GPUs of the fleet",
        "GPUs",
        "",
        cost.gpus,
        pool_gpus,
        prefill_instances=Term(p.count, "n_P", "", f"{prefix}prefill.instances"),
        prefill_gpus=Term(p.degrees.gpus, "g_P", "", f"{prefix}prefill.gpus_each"),
        decode_instances=Term(d.count, "n_D", "", f"{prefix}decode.instances"),
        decode_gpus=Term(d.degrees.gpus, "g_D", "", f"{prefix}decode.gpus_each"),
    )
    return [
        gpus,
        *_hourly(problem, fleet, prefix),
        by_formula(
            f"{prefix}cost.per_million_output_tokens",
            "Price of a million output tokens",
            "C_out",
            "USD",
            cost.usd_per_million_output_tokens,
            cost_per_million_tokens,
            usd_per_hour=Term(cost.usd_per_hour, "C", "USD/h", f"{prefix}cost.per_hour"),
            arrival_rate=Term(mix.arrival_rate, "lambda", "1/s", "rate.total"),
            mean_tokens=Term(mix.mean_output_tokens, "L_out", "tok"),
        ),
    ]


def _hourly(problem: Problem, fleet: Fleet, prefix: str) -> list[Derivation]:
    p, d, cost = fleet.prefill, fleet.decode, fleet.cost
    each = {pool.role: pool.usd_per_hour / pool.count for pool in (p, d)}
    if cost.gpus_bought != cost.gpus:
        return [
            computed(
                f"{prefix}cost.gpus_bought",
                "GPUs bought, in whole nodes",
                "GPUs_bought",
                "",
                cost.gpus_bought,
                equation="GPUs bought = sum over accelerators of ceil(GPUs / G) G, G GPUs of a node",
                latex=r"\sum_a \lceil g_a / G_a \rceil\, G_a",
                method="rounded up per accelerator",
                residual=float(cost.gpus_bought < cost.gpus),
                residual_of="1 if fewer are bought than used, else 0",
                source="count",
                rests_on=(f"{prefix}cost.gpus",),
            ),
            by_formula(
                f"{prefix}cost.per_hour",
                "Price of the fleet, in whole nodes",
                "C",
                "USD/h",
                cost.usd_per_hour,
                pool_usd_per_hour,
                instances=Term(cost.gpus_bought, "GPUs_bought", "", f"{prefix}cost.gpus_bought"),
                usd_per_hour_each=Term(cost.usd_per_hour / cost.gpus_bought, "c", "USD/h"),
            ),
        ]
    price = by_formula(
        f"{prefix}cost.per_hour",
        "Price of the fleet",
        "C",
        "USD/h",
        cost.usd_per_hour,
        fleet_usd_per_hour,
        prefill_instances=Term(p.count, "n_P", "", f"{prefix}prefill.instances"),
        prefill_usd_per_hour=Term(each["prefill"], "c_P", "USD/h", f"{prefix}prefill.price_each"),
        decode_instances=Term(d.count, "n_D", "", f"{prefix}decode.instances"),
        decode_usd_per_hour=Term(each["decode"], "c_D", "USD/h", f"{prefix}decode.price_each"),
    )
    rows = [price]
    for pool in (p, d):
        per_gpu = each[pool.role] / pool.degrees.gpus
        written = pool.accelerator in problem.scenario.prices
        where = "prices of the scenario" if written else f"catalog: {pool.accelerator}"
        rows += [
            by_formula(
                f"{prefix}{pool.role}.price_each",
                f"Price of one {pool.role} instance",
                f"c_{pool.role[0].upper()}",
                "USD/h",
                each[pool.role],
                pool_usd_per_hour,
                instances=Term(
                    pool.degrees.gpus, f"g_{pool.role[0].upper()}", "", f"{prefix}{pool.role}.gpus_each"
                ),
                usd_per_hour_each=Term(per_gpu, "c_GPU", "USD/h", f"{prefix}{pool.role}.price_gpu"),
            ),
            given(
                f"{prefix}{pool.role}.price_gpu",
                f"Price of one {pool.accelerator}",
                "c_GPU",
                "USD/h",
                per_gpu,
                where,
            ),
        ]
    return rows
