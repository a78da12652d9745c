"""Turn a fleet under traffic into what is reported: latencies, parts, loads, objectives, cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.result import (
    REPORTED,
    ClassPlan,
    Cost,
    Fleet,
    Latency,
    LinkPlan,
    Objective,
    PoolPlan,
)
from pdplan.planner.traffic import ClassTraffic
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Slo
from pdplan.trust import Trust, weakest


def judge(fleet: Disaggregated) -> Fleet:
    """Report a disaggregated fleet."""
    problem = fleet.problem
    scenario = problem.scenario
    p, d, link = fleet.prefill, fleet.decode, fleet.link
    mix = problem.demand
    prefill = pool_plan(
        p.option,
        p.count,
        router=scenario.prefill.router,
        discipline=scenario.prefill.discipline,
        utilization=p.utilization,
        limit=scenario.max_utilization,
        warnings=p.warnings,
    )
    decode = pool_plan(
        d.option,
        d.count,
        router=scenario.decode.router,
        discipline="continuous",
        utilization=d.utilization,
        limit=scenario.max_utilization,
        mean_batch=d.law.mean_batch,
        kv_p99_share=d.kv_p99_share,
        warnings=d.warnings,
    )
    wire = LinkPlan(
        problem.link.name,
        p.option.link_bytes_per_s,
        link.egress_utilization,
        link.ingress_utilization,
        mix.mean(problem.payload_bytes(mix)),
        mix.mean(link.transfer_s(mix)),
    )
    cost = cost_of(problem, [(p.option, p.count), (d.option, d.count)])
    return Fleet(prefill, decode, wire, tuple(class_plan(fleet, t) for t in problem.traffic), cost)


def pool_plan(
    option: InstanceOption,
    count: int,
    *,
    router: str,
    discipline: str,
    utilization: float,
    limit: float,
    mean_batch: float | None = None,
    kv_p99_share: float | None = None,
    warnings: tuple[str, ...] = (),
) -> PoolPlan:
    """Report one pool."""
    return PoolPlan(
        role=option.role,
        accelerator=option.accelerator.name,
        count=count,
        tp=option.tp,
        pp=option.pp,
        router=router,
        discipline=discipline,
        utilization=utilization,
        utilization_limit=limit,
        mean_batch=mean_batch,
        kv_p99_share=kv_p99_share,
        usd_per_hour=count * option.price_usd_per_hour,
        power_w=count * option.gpus * option.accelerator.power_w,
        latency_source=option.latency.source,
        warnings=warnings,
        dp_attention=option.dp_attention,
        ep=option.ep,
    )


def class_plan(fleet: Disaggregated, traffic: ClassTraffic) -> ClassPlan:
    """Report what one class gets."""
    demand = traffic.demand
    ttft_law, e2e_law = fleet.ttft(demand), fleet.e2e(demand)
    decode = fleet.decode
    wanted = _percentiles(traffic.slo)
    ttft = latency("ttft", ttft_law.mean_s, ttft_law.quantile_s, wanted["ttft"], ttft_law.trust)
    e2e = latency("e2e", e2e_law.mean_s, e2e_law.quantile_s, wanted["e2e"], Trust.APPROXIMATE)
    tpot = itl = None
    if several(demand):
        law = fleet.tpot(demand)
        tpot = latency("tpot", law.mean_s, law.quantile_s, wanted["tpot"], weakest(law.trust, decode.trust))
        itl = latency("itl", decode.law.mean_itl_s, decode.law.itl_quantile_s, wanted["itl"], decode.trust)
    steps = max(0.0, demand.mean_output_tokens - 1.0)
    return ClassPlan(
        demand.name,
        demand.arrival_rate,
        demand.mean_prompt_tokens,
        demand.mean_output_tokens,
        traffic.lengths_source,
        ttft,
        tpot,
        itl,
        e2e,
        ttft_law.parts,
        {
            "queue": decode.law.admission.mean_s + decode.law.join.mean_s,
            "execution": steps * tpot.mean_s if tpot else 0.0,
        },
        objectives(fleet, traffic, {k.metric: k for k in (ttft, tpot, itl, e2e) if k}),
        single_token_share(demand),
        traffic.traced,
    )


def single_token_share(demand: ClassDemand) -> float:
    """Share of requests with one output token: they have no TPOT and are left out of it [-]."""
    return float(demand.weight[demand.output_tokens <= 1].sum())


def objectives(
    fleet: Disaggregated, traffic: ClassTraffic, latencies: Mapping[str, Latency]
) -> tuple[Objective, ...]:
    """Hold every target of a class against its latencies."""
    rows = []
    for target in traffic.slo.targets:
        latency_of = latencies[target.metric]
        rows.append(Objective(target, *latency_of.at(target), latency_of.trust))
    joint = traffic.slo.joint
    if joint is not None:
        value, low, high = fleet.joint_attainment(traffic.demand, joint)
        rows.append(Objective(joint, value, low, high, Trust.BOUNDED))
    return tuple(rows)


def latency(
    metric: str,
    mean_s: float,
    quantile_s: Callable[[Any], Any],
    wanted: tuple[float, ...],
    trust: Trust,
) -> Latency:
    """Report a law by its mean and percentiles; ``quantile_s`` takes an array."""
    found = np.asarray(quantile_s(np.array(wanted)), dtype=float)
    values = dict(zip(wanted, found.tolist(), strict=True))
    return Latency(metric, float(mean_s), values, values, values, trust, lambda p: float(quantile_s(p)))


def _percentiles(slo: Slo) -> dict[str, tuple[float, ...]]:
    """Percentiles to report of each metric: the usual ones and those that targets name."""
    asked: dict[str, set[float]] = {m: set(REPORTED) for m in ("ttft", "tpot", "itl", "e2e")}
    for target in slo.targets:
        if target.probability is not None:
            asked[target.metric].add(target.probability)
    return {m: tuple(sorted(ps)) for m, ps in asked.items()}


def cost_of(problem: Problem, pools: list[tuple[InstanceOption, int]]) -> Cost:
    """Price pools, in whole nodes where the scenario asks for them."""
    scenario = problem.scenario
    gpus = sum(option.gpus * count for option, count in pools)
    bought = 0
    usd = 0.0
    power = 0.0
    by_accelerator: dict[str, tuple[InstanceOption, int]] = {}
    for option, count in pools:
        name = option.accelerator.name
        seen = by_accelerator.get(name, (option, 0))[1]
        by_accelerator[name] = (option, seen + option.gpus * count)
    for option, need in by_accelerator.values():
        node = scenario.node.gpus or option.accelerator.gpus_per_node
        buy = math.ceil(need / node) * node if scenario.node.whole_nodes else need
        bought += buy
        usd += buy * option.price_usd_per_hour / option.gpus
        power += buy * option.accelerator.power_w
    mix = problem.demand
    per_hour = 3600.0 * mix.arrival_rate / 1e6
    return Cost(
        gpus,
        bought,
        usd,
        usd / (per_hour * mix.mean_output_tokens),
        usd / (per_hour * (mix.mean_prompt_tokens + mix.mean_output_tokens)),
        power,
    )
