"""Size and load of the two pools, and the wait before prefill."""

from __future__ import annotations

import numpy as np

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas.cost import gpus_of
from pdplan.planner.formulas.load import pool_utilization, work_per_prompt_s
from pdplan.planner.result import Fleet, PoolPlan
from pdplan.planner.stations import PrefillSide
from pdplan.planner.working.build import Term, atoms_mean, by_formula, computed, given
from pdplan.planner.working.waits import wait_derivation
from pdplan.symbolic import Derivation
from pdplan.trust import Trust, weakest

#: Letter of each pool in symbols.
LETTER = {"prefill": "P", "decode": "D", "colocated": "C"}


def size_derivations(chosen: Disaggregated, fleet: Fleet) -> list[Derivation]:
    """Return counts and GPUs of both pools, and the load limit."""
    past = max((max(0.0, -o.slack) for c in fleet.classes for o in c.objectives), default=0.0)
    trust = weakest(Trust.EXACT, *(o.trust for c in fleet.classes for o in c.objectives))
    limit = chosen.problem.scenario.max_utilization
    rows = [
        given(
            "max_utilization",
            "Most load of a station",
            "rho_max",
            "",
            limit,
            "max_utilization of the scenario",
        )
    ]
    for pool in (fleet.prefill, fleet.decode):
        rows += pool_size(pool, past, trust)
    return rows


def pool_size(pool: PoolPlan, past: float, trust: Trust) -> list[Derivation]:
    """Return count, GPUs of an instance and GPUs of one pool."""
    role, letter = pool.role, LETTER[pool.role]
    name = role
    return [
        computed(
            f"{name}.instances",
            f"Instances of the {role} pool",
            f"n_{letter}",
            "",
            pool.count,
            equation=f"n_{letter} = min{{n : every objective and load limit holds}}",
            latex=rf"n_{{{letter}}} = \min\{{n : \text{{every objective and load limit holds}}\}}",
            method="search over counts and parallelism, cheapest first (pdplan.planner.search); a simulation "
            "that contradicts the formulas adds instances",
            residual=past,
            residual_of="worst overrun of an objective, as a share of its limit",
            source="docs/theory/planning",
            trust=trust,
        ),
        given(
            f"{name}.gpus_each",
            f"GPUs of one {role} instance ({pool.parallelism})",
            f"g_{letter}",
            "",
            pool.degrees.gpus,
            f"the cheapest of {role}.parallel in the scenario",
        ),
        by_formula(
            f"{name}.gpus",
            f"GPUs of the {role} pool",
            f"G_{letter}",
            "",
            pool.gpus,
            gpus_of,
            instances=Term(pool.count, f"n_{letter}", "", f"{name}.instances"),
            gpus_each=Term(pool.degrees.gpus, f"g_{letter}", "", f"{name}.gpus_each"),
        ),
    ]


def prefill_derivations(side: PrefillSide) -> list[Derivation]:
    """Return work, load and wait of the prefill pool."""
    station, mix = side.station, side.problem.demand
    name, latency = "prefill", side.option.latency
    batched = station.discipline == "batched"
    rows = [
        by_formula(
            f"{name}.utilization",
            "Load of the prefill pool",
            "rho_P",
            "",
            side.utilization,
            pool_utilization,
            arrival_rate=Term(station.arrival_rate, "lambda", "1/s", "rate.total"),
            work_s=Term(station.work_per_prompt_s, "S", "s", f"{name}.work" if batched else f"{name}.stage"),
            instances=Term(side.count, "n_P", "", f"{name}.instances"),
        ),
        atoms_mean(
            f"{name}.service",
            "Mean prefill time of a prompt alone",
            "E[S]",
            "s",
            mix.mean(side.prefill_s(mix)),
            what="t_prefill",
            latex=r"\mathrm{E}[S] = \sum_i w_i\, t_{\mathrm{prefill}}(L_i)",
            weights=mix.weight,
            method="step times of the latency model",
            source=latency.source,
            trust=latency.trust,
        ),
    ]
    if batched:
        full = station.max_batch_tokens
        tokens = np.maximum(mix.prompt_tokens - mix.cached, 1.0)
        step_s = station.full_step_s
        rows += [
            by_formula(
                f"{name}.work",
                "Instance time that a prompt takes when the pool is full",
                "S",
                "s",
                station.work_per_prompt_s,
                work_per_prompt_s,
                mean_new_tokens=Term(float(mix.weight @ tokens), "E[n]", "tok"),
                full_step_s=Term(step_s, "t_full", "s", f"{name}.full_step"),
                step_tokens=Term(full, "B", "tok"),
            ),
            given(
                f"{name}.full_step",
                f"Time of a prefill step of {full:,.0f} tokens, per pipeline stage",
                "t_full",
                "s",
                step_s,
                f"latency model: {latency.source}",
                trust=latency.trust,
            ),
        ]
    else:
        rows.append(
            atoms_mean(
                f"{name}.stage",
                "Mean time that a prompt occupies the first pipeline stage",
                "S",
                "s",
                station.work_per_prompt_s,
                what="t_stage",
                latex=r"S = \sum_i w_i\, t_{\mathrm{stage}}(L_i)",
                weights=mix.weight,
                method="step times of the latency model",
                source=latency.source,
                trust=latency.trust,
            )
        )
    return [*rows, wait_derivation(side, f"{name}.wait")]
