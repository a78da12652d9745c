"""What the laws say of one end-to-end benchmark, given step times: mean TTFT and mean TPOT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdplan.errors import InputError, UnstableError
from pdplan.latency.measured import ServingRun
from pdplan.latency.model import LatencyModel, prompt_prefill_s
from pdplan.serving.colocated_station import colocated_station
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_station import PrefillStation
from pdplan.serving.stationary_batch import StationaryBatch

#: Atoms that the lengths of served requests are brought down to.
ATOMS = 40


@dataclass(frozen=True, slots=True)
class Predicted:
    """Means of one run by the laws [s], and the load of prefill [-]."""

    ttft_s: float
    tpot_s: float
    prefill_load: float


def lengths(run: ServingRun, rate: float) -> ClassDemand:
    """Return the lengths of a run as atoms: of its requests where the file has them, else their means."""
    if not run.served:
        one = np.ones(1)
        return ClassDemand("run", rate, one * run.prompt_tokens, one * max(run.output_tokens, 1.0), one)
    pairs = np.array(sorted((r.prompt_tokens, r.output_tokens) for r in run.served), dtype=float)
    groups = np.array_split(pairs, min(ATOMS, len(pairs)))
    mean = np.array([g.mean(axis=0) for g in groups])
    weight = np.array([len(g) for g in groups]) / len(pairs)
    return ClassDemand("run", rate, mean[:, 0], np.maximum(mean[:, 1], 1.0), weight)


def offered_rate(run: ServingRun, throughput: float) -> float:
    """Rate at which a request sees the others come [1/s]: the offered one, or the others' of N users."""
    if run.concurrency is None:
        return throughput if run.request_rate is None else run.request_rate
    return throughput * max(run.concurrency - 1.0, 1e-6) / run.concurrency


def predict(
    run: ServingRun, model: LatencyModel, step_factor: float, throughput: float, chunk_tokens: float
) -> Predicted | None:
    """Return the means of a run by the laws; None where the load is more than the step times can carry.

    A run that names its prefill and decode instances is disaggregated: the closed network where it held its
    concurrency, else the prefill and decode stations at its rate. Any other run is one colocated engine with
    chunked prefill, at its measured throughput.
    """
    try:
        if run.decode_instances is None:
            return _colocated(run, model, step_factor, throughput, chunk_tokens)
        if run.concurrency is None:
            return _open(run, model, step_factor, offered_rate(run, throughput))
        return _closed(run, model, step_factor)
    except UnstableError:
        return None


def _colocated(
    run: ServingRun, model: LatencyModel, step_factor: float, throughput: float, chunk_tokens: float
) -> Predicted:
    demand = lengths(run, offered_rate(run, throughput))
    station = colocated_station([demand], model, budget_tokens=chunk_tokens, step_factor=step_factor)
    overhead = _overhead_s(model, demand)
    return Predicted(station.mean_ttft_s() + overhead, station.mean_tpot_s, station.prefill_share)


def _open(run: ServingRun, model: LatencyModel, step_factor: float, rate: float) -> Predicted:
    demand = lengths(run, rate)
    prefill = PrefillStation([demand], model, _count(run.prefill_instances), discipline="batched")
    share = lengths(run, rate / _count(run.decode_instances))
    decode = StationaryBatch.from_latency(model, share, step_factor=step_factor)
    ttft = _overhead_s(model, demand) + prefill.mean_wait_s + demand.mean(prefill.prefill_s())
    return Predicted(ttft + decode.mean_itl_s, decode.mean_tpot_s, prefill.utilization)


def _closed(run: ServingRun, model: LatencyModel, step_factor: float) -> Predicted:
    from pdplan.serving.closed_network import ClosedNetwork

    users = round(run.concurrency or 1.0)
    demand = lengths(run, 1.0)
    net = ClosedNetwork(
        users,
        demand,
        model,
        model,
        _count(run.prefill_instances),
        _count(run.decode_instances),
        think_s=_overhead_s(model, demand),
        discipline="batched",
        step_factor=step_factor,
    )
    work = demand.mean(np.asarray(prompt_prefill_s(model, demand.prompt_tokens), dtype=float))
    load = net.throughput * work / _count(run.prefill_instances)
    return Predicted(net.mean_ttft_s + _overhead_s(model, demand), net.mean_tpot_s, load)


def _overhead_s(model: LatencyModel, demand: ClassDemand) -> float:
    """Mean time of a request before its prefill, as far as the model knows it [s]."""
    by_prompt = getattr(model, "request_overhead_s", None)
    if by_prompt is None:
        return float(getattr(model, "ttft_overhead_s", 0.0))
    return demand.mean(np.broadcast_to(by_prompt(demand.prompt_tokens), demand.prompt_tokens.shape))


def _count(instances: float | None) -> int:
    number = 1.0 if instances is None else instances
    if number < 1 or number != int(number):
        raise InputError(f"a run has {number:g} instances of a role: it must be a whole number of at least 1")
    return int(number)
