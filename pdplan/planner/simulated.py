"""A judged fleet as the engine takes it, and requests drawn from the very laws that the formulas use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdplan.errors import UnsupportedError
from pdplan.latency.model import request_overhead_s
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import BEYOND, Array, Problem
from pdplan.serving.demand import ClassDemand
from pdplan.sim.config import ColocatedConfig, DecodePool, KvLink, KvMemory, PdConfig, PrefillPool
from pdplan.sim.result import SimResult
from pdplan.sim.stream import Stream, merged
from pdplan.sim.watch import OnProgress


def pd_config(fleet: Disaggregated) -> PdConfig:
    """Return a disaggregated fleet for `pdplan.sim.run.run_pd`.

    Raises
    ------
    UnsupportedError
        The discipline mm1: it is a calibration of a formula, not a way to serve.
    """
    scenario = fleet.problem.scenario
    if scenario.prefill.discipline == "mm1":
        raise UnsupportedError(
            "discipline mm1 is a calibration, not a way to serve: simulate with batched or one_at_a_time"
        )
    p, d = fleet.prefill, fleet.decode
    fixed, per_token = overhead_line(p.option.latency, fleet.problem)
    return PdConfig(
        PrefillPool(
            p.count,
            p.option.latency,
            scenario.prefill.router,
            "chunked" if p.option.dp_attention > 1 else scenario.prefill.discipline,
            scenario.prefill.max_batch_tokens,
            pipeline_stages=p.option.pp,
            kv_capacity_tokens=_capacity(p.option.kv_capacity_tokens),
            ranks=p.option.dp_attention,
        ),
        DecodePool(
            d.count,
            d.option.latency,
            scenario.decode.router,
            scenario.decode.max_batch,
            KvMemory(_capacity(d.option.kv_capacity_tokens), scenario.memory.block_tokens),
            scenario.decode.step_factor,
            scenario.decode.tokens_per_step,
            d.option.dp_attention,
        ),
        _link(fleet),
        scenario.first_token_from,
        fixed,
        per_token,
    )


def colocated_config(fleet: ColocatedFleet) -> ColocatedConfig:
    """Return a colocated fleet for `pdplan.sim.run.run_colocated`."""
    scenario = fleet.problem.scenario
    fixed, per_token = overhead_line(fleet.option.latency, fleet.problem)
    return ColocatedConfig(
        fleet.count,
        fleet.option.latency,
        "random",
        scenario.colocated.discipline,
        scenario.colocated.chunk_tokens,
        scenario.colocated.max_batch,
        KvMemory(_capacity(fleet.option.kv_capacity_tokens), scenario.memory.block_tokens),
        scenario.decode.step_factor,
        overhead_s=fixed,
        overhead_s_per_token=per_token,
    )


def overhead_line(latency: object, problem: Problem) -> tuple[float, float]:
    """Host time of a request before prefill, as a line in its prompt: (fixed [s], per token [s/tok])."""
    ends = np.array([0.0, 1000.0])
    low, high = request_overhead_s(latency, ends)  # type: ignore[arg-type]
    del problem
    return float(low), float(high - low) / 1000.0


def simulate_fleet(
    fleet: Disaggregated | ColocatedFleet, requests: int, seed: int, on_progress: OnProgress | None = None
) -> SimResult:
    """Run a fleet on requests drawn from its problem's traffic, less those that `served` leaves out.

    Raises
    ------
    UnsupportedError
        The prefill discipline is mm1.
    """
    return run_fleet(fleet, served(fleet, draw(fleet.problem, requests, seed)), seed, on_progress)


def served(fleet: Disaggregated | ColocatedFleet, stream: Stream) -> Stream:
    """Leave out the few requests that are longer than an instance holds, as an engine refuses them.

    A fleet is planned with room for all but one request in `BEYOND`; where more are longer, all stay, for the
    engine to say so.
    """
    prompt, whole = stream.prompt_tokens, stream.prompt_tokens + stream.output_tokens + 1
    if isinstance(fleet, Disaggregated):
        room = _capacity(fleet.decode.option.kv_capacity_tokens)
        fits = prompt <= _capacity(fleet.prefill.option.kv_capacity_tokens)
    else:
        room = _capacity(fleet.option.kv_capacity_tokens)
        fits = np.ones(prompt.size, dtype=bool)
    block_tokens = fleet.problem.scenario.memory.block_tokens
    fits &= np.ceil(whole / block_tokens) <= room // block_tokens
    few = 3 + 10 * prompt.size / BEYOND
    return stream if fits.all() or prompt.size - fits.sum() > few else stream.take(fits)


def run_fleet(
    fleet: Disaggregated | ColocatedFleet,
    stream: Stream,
    seed: int,
    on_progress: OnProgress | None = None,
    *,
    transient: bool = False,
) -> SimResult:
    """Run a fleet on given requests; ``transient``: report all of it, as of a replay."""
    from pdplan.sim.run import run_colocated, run_pd  # numba loads here

    config = pd_config(fleet) if isinstance(fleet, Disaggregated) else colocated_config(fleet)
    raw = (
        run_pd(config, stream, seed=seed, on_progress=on_progress)
        if isinstance(config, PdConfig)
        else run_colocated(config, stream, seed=seed, on_progress=on_progress)
    )
    return SimResult(raw, config, class_names(fleet.problem.demands), transient=transient)


def draw(problem: Problem, requests: int, seed: int) -> Stream:
    """Draw Poisson arrivals of every class, with lengths from the atoms that the formulas integrate over.

    Every class has its own Philox streams for gaps and lengths, spawned from the seed in the order of the
    classes; fractional token counts (means of strata) are rounded up or down at random, so that means stay.
    """
    total = problem.demand.arrival_rate
    streams = [
        poisson_stream(demand, max(1, round(requests * demand.arrival_rate / total)), seed, i)
        for i, demand in enumerate(problem.demands)
    ]
    return streams[0] if len(streams) == 1 else merged(streams)


def poisson_stream(demand: ClassDemand, requests: int, seed: int, index: int) -> Stream:
    """Draw the class of that index: gaps and lengths from the streams that are its own."""
    spawned = np.random.SeedSequence(seed).spawn(2 * index + 2)[2 * index :]
    gaps, lengths = (np.random.Generator(np.random.Philox(s)) for s in spawned)
    arrival = np.cumsum(gaps.standard_exponential(requests)) / demand.arrival_rate
    atom = lengths.choice(demand.weight.size, size=requests, p=demand.weight / demand.weight.sum())
    prompt = _whole(demand.prompt_tokens[atom], lengths)
    cached = None if demand.cached_tokens is None else np.minimum(demand.cached[atom].astype(int), prompt - 1)
    output = _whole(demand.output_tokens[atom], lengths)
    return Stream.of(arrival, prompt, output, cached_tokens=cached, class_id=np.full(requests, index))


def stream_of(demand: ClassDemand, arrival_s: Array, prompt: Array, output: Array, index: int) -> Stream:
    """Return requests as they came, with the class's share of every prompt in the prefix cache."""
    cached = None
    if demand.cached_tokens is not None:
        share = demand.mean(demand.cached) / demand.mean_prompt_tokens
        cached = np.minimum(np.floor(share * prompt), prompt - 1).astype(int)
    return Stream.of(arrival_s, prompt, output, cached_tokens=cached, class_id=np.full(arrival_s.size, index))


def _whole(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.maximum(1, np.floor(tokens + rng.random(tokens.size))).astype(int)


def _link(fleet: Disaggregated) -> KvLink:
    problem = fleet.problem
    scenario, mix = problem.scenario, problem.demand
    # Sliding layers hold less than all layers in full: bytes a token as the mix ships them on average.
    per_token = mix.mean(problem.payload_bytes(mix)) / mix.mean_prompt_tokens
    return KvLink(
        per_token,
        fleet.prefill.option.link_bytes_per_s,
        fleet.decode.option.link_bytes_per_s,
        problem.link.t0_s,
        "fifo" if fleet.link.one_end else "shared",
        mode="push" if scenario.overlap > 0 else "pull",
        overlap=scenario.overlap,
        layers=problem.model.shape.layers,
    )


def _capacity(tokens: float | None) -> float:
    return float("inf") if tokens is None else tokens


def class_names(demands: Sequence[ClassDemand]) -> tuple[str, ...]:
    """Names in the order of the class ids of `draw`."""
    return tuple(d.name for d in demands)
