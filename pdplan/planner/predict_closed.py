"""A fleet under a held concurrency: the closed network of its stations, and the engine's closed loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.predict_parts import Means, SimulatedMeans
from pdplan.planner.simulated import class_names, colocated_config, draw, overhead_line, pd_config
from pdplan.serving.closed_network import ClosedNetwork
from pdplan.sim.config import PdConfig
from pdplan.sim.result import SimResult
from pdplan.sim.result_service import mean_parts

#: Load from which on a station is said to bind [-].
BINDS = 0.9


def closed_network(fleet: Disaggregated, users: int) -> ClosedNetwork:
    """Return the closed network of a fleet.

    The host time of a request is a pause before prefill: `ClosedNetwork.think_s`. KV memory limits the batch
    to the contexts that it holds on average.
    """
    problem = fleet.problem
    scenario, mix = problem.scenario, problem.demand
    prefill, decode = fleet.prefill, fleet.decode
    return ClosedNetwork(
        users,
        mix,
        prefill.option.latency,
        decode.option.latency,
        prefill.count,
        decode.count,
        transfer_s=fleet.link.visible_transfer_s(mix, prefill.prefill_s(mix)),
        think_s=_overhead_s(fleet),
        router=scenario.prefill.router,
        discipline=scenario.prefill.discipline,
        max_batch_tokens=scenario.prefill.max_batch_tokens,
        max_batch=_places(fleet),
        first_token_from=scenario.first_token_from,
        step_factor=scenario.decode.step_factor,
        decode_router=scenario.decode.router,
        tokens_per_step=scenario.decode.tokens_per_step,
        pipeline_stages=prefill.option.pp,
    )


def _overhead_s(fleet: Disaggregated) -> float:
    fixed, per_token = overhead_line(fleet.prefill.option.latency, fleet.problem)
    return fixed + per_token * fleet.problem.demand.mean_prompt_tokens


def _kv_places(fleet: Disaggregated) -> float:
    """Requests whose mean contexts fill an instance's KV memory [-]."""
    capacity = fleet.decode.option.kv_capacity_tokens
    return np.inf if capacity is None else max(1.0, capacity / fleet.problem.decode_work.mean_context)


def _places(fleet: Disaggregated) -> int:
    return int(min(fleet.problem.scenario.decode.max_batch, np.floor(_kv_places(fleet))))


def closed_formula(fleet: Disaggregated, users: int) -> tuple[Means, list[str]]:
    """Means of the closed network, and what to know of them."""
    net = closed_network(fleet, users)
    overhead = net.think_s
    means = Means(
        throughput=net.throughput,
        ttft_s=net.mean_ttft_s + overhead,
        tpot_s=net.mean_tpot_s if several(fleet.problem.demand) else None,
        e2e_s=users / net.throughput,
        mean_batch=net.mean_batch,
        parts_s={"overhead": overhead, **net.parts},
        binding=_binding(fleet, net),
        trust=net.trust,
        accuracy=net.accuracy,
    )
    return means, _notes(fleet, net)


def _binding(fleet: Disaggregated, net: ClosedNetwork) -> str:
    """Name what keeps the throughput from growing with the users."""
    places = _places(fleet)
    if net.solved.prefill_busy >= BINDS:
        return "prefill"
    if net.mean_batch >= BINDS * places:
        kv = places < fleet.problem.scenario.decode.max_batch
        return "decode (KV memory)" if kv else "decode (max_batch)"
    return "concurrency"


def _notes(fleet: Disaggregated, net: ClosedNetwork) -> list[str]:
    notes = []
    scenario = fleet.problem.scenario
    kv = _kv_places(fleet)
    if kv < scenario.decode.max_batch and net.users / net.decode_instances > 0.8 * kv:
        notes.append(
            f"KV memory holds about {kv:.0f} requests of an instance: the formula has no evictions, "
            "the simulation has them"
        )
    link_load = net.throughput * fleet.problem.demand.mean(fleet.problem.payload_bytes(fleet.problem.demand))
    load = link_load / (fleet.prefill.count * fleet.prefill.option.link_bytes_per_s)
    if load > 0.3:
        notes.append(f"the link is {load:.0%} busy: the formula waits only for companions of the same step")
    if scenario.prefill.router == "power_of_two" and fleet.prefill.count > 1:
        notes.append("router power_of_two has no closed formula: that of random is shown, an upper bound")
    if scenario.prefill.router == "jsq" and fleet.prefill.count > 1:
        notes.append("router jsq has no closed formula: that of least_work is shown, some 10% faster")
    return notes


def closed_simulation(
    fleet: Disaggregated | ColocatedFleet, users: int, requests: int, seed: int
) -> SimulatedMeans:
    """Run the engine with so many users, each of whom sends the next request when the last is answered.

    Requests of several classes come in the order of their arrivals at the scenario's rates.

    Raises
    ------
    UnsupportedError
        The prefill discipline is mm1.
    """
    from pdplan.sim.run import run_colocated, run_pd  # numba loads here

    config = pd_config(fleet) if isinstance(fleet, Disaggregated) else colocated_config(fleet)
    if config.overhead_s_per_token:  # a closed loop takes it at its mean
        mean = config.overhead_s_per_token * fleet.problem.demand.mean_prompt_tokens
        config = replace(config, overhead_s=config.overhead_s + mean, overhead_s_per_token=0.0)
    stream = draw(fleet.problem, requests, seed)
    stream = replace(stream, arrival_s=np.zeros(len(stream)), users=users)
    raw = (
        run_pd(config, stream, seed=seed)
        if isinstance(config, PdConfig)
        else run_colocated(config, stream, seed=seed)
    )
    return simulated_means(fleet, SimResult(raw, config, class_names(fleet.problem.demands)))


def simulated_means(fleet: Disaggregated | ColocatedFleet, result: SimResult) -> SimulatedMeans:
    """Take the means out of a simulation."""
    names = class_names(fleet.problem.demands)
    each = names if len(names) > 1 else ()
    rate = result.throughput
    use = result.decode
    return SimulatedMeans(
        requests=int(result.raw.ttft_s.size),
        regime=result.stability.regime,
        throughput=rate.requests_per_s,
        tokens_out_per_s=rate.tokens_out_per_s,
        mean_batch=use.mean_batch * use.utilization,
        evictions=use.evictions,
        parts_s=mean_parts(result, None),
        latencies={
            name: {q: result.statistic(q, None, name or None) for q in ("ttft", "tpot", "e2e")}
            for name in ("", *each)
        },
    )
