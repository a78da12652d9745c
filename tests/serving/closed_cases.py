"""The twenty closed-loop configurations on which the closed network is held against the engine.

Fixed before the law was made, to span users 1 to 512, pool shapes, both disciplines, fixed and variable
lengths, prefill-bound, decode-bound and balanced fleets, a capped batch, routers, and three latency models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pdplan.latency import DecodeFit, Fitted, PrefillFit, Roofline
from pdplan.latency.model import LatencyModel
from pdplan.serving.closed_network import ClosedNetwork
from pdplan.serving.demand import ClassDemand
from pdplan.sim.config import DecodePool, KvLink, PdConfig, PrefillPool
from pdplan.sim.result import SimResult
from pdplan.sim.run import run_pd
from pdplan.sim.stream import Stream


@dataclass(frozen=True)
class Case:
    """One benchmark: users, fleet, lengths. ``uniform``: 0.8 to 1.0 of the nominal lengths."""

    users: int
    prefills: int
    decodes: int
    prompt: float
    output: float
    lengths: str = "variable"  # lognormal prompts (sigma 1) and geometric outputs; "fixed"; "uniform"
    discipline: str = "batched"
    router: str = "round_robin"
    max_batch: int = 4096
    first_token_from: str = "decode"
    model: str = "affine"

    def __str__(self) -> str:
        cap = "" if self.max_batch == 4096 else f" cap {self.max_batch}"
        return (
            f"{self.users} users {self.prefills}P{self.decodes}D {self.prompt:g}/{self.output:g} "
            f"{self.lengths} {self.discipline} {self.router}{cap} {self.model}"
        )


CASES = (
    Case(1, 1, 1, 1000, 200),
    Case(4, 1, 1, 1024, 256, "fixed", "one_at_a_time"),
    Case(16, 1, 1, 1000, 200),
    Case(64, 1, 1, 1000, 200, discipline="one_at_a_time"),
    Case(64, 1, 1, 1000, 200),
    Case(64, 2, 1, 4000, 200),
    Case(128, 4, 2, 1000, 200),
    Case(256, 4, 2, 1000, 200, discipline="one_at_a_time"),
    Case(256, 4, 2, 1000, 200, max_batch=64),
    Case(512, 8, 4, 4000, 200),
    Case(64, 2, 2, 512, 256, discipline="one_at_a_time", first_token_from="prefill", model="opt-13b"),
    Case(128, 3, 2, 512, 256, model="opt-13b"),
    Case(32, 1, 1, 512, 256, router="random", model="opt-13b"),
    Case(64, 1, 1, 1024, 1024, "fixed"),
    Case(128, 2, 1, 4096, 512, "fixed", "one_at_a_time", model="roofline"),
    Case(64, 1, 1, 1024, 1024, "uniform", first_token_from="prefill", model="roofline"),
    Case(256, 4, 2, 8192, 1024, "uniform", model="roofline"),
    Case(16, 1, 1, 2000, 300, model="roofline"),
    Case(200, 2, 2, 2000, 300, router="least_work", model="roofline"),
    Case(512, 4, 1, 1024, 1024, "uniform", first_token_from="prefill", max_batch=256, model="roofline"),
)

#: Prefill and decode of an instance.
_AFFINE = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e6), (1, 8192), "made for tests")
#: DistServe's OPT-13B on one A100, coefficients typed from its published simulator (Apache-2.0).
_OPT13B = Fitted(
    PrefillFit(18.1025e-3, 0.101912e-3, 7.12226e-9),
    (DecodeFit(19.9347e-3, 0.0385070e-3, 0.000626936e-3),),
    (1, 2048),
    (1, 1024),
    "DistServe OPT-13B",
)


@cache
def latency(name: str) -> LatencyModel:
    """Latency model of a case."""
    if name == "roofline":
        from pdplan.planner.instances import instance_options
        from pdplan.planner.problem import assemble
        from pdplan.spec.builtin import builtin_scenario

        scenario = builtin_scenario(("prefill.parallel.tp=4",))
        problem = assemble(scenario)
        found = instance_options(scenario, "prefill", problem.model, problem.link)[0][0].latency
        assert isinstance(found, Roofline)
        return found
    return {"affine": _AFFINE, "opt-13b": _OPT13B}[name]


#: KV bytes of a token and bytes per second of a link.
LINKS = {"affine": (131_072.0, 50e9), "opt-13b": (819_200.0, 25e9), "roofline": (327_680.0, 200e9)}


def drawn(case: Case, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Prompt and output lengths."""
    a, b = (np.random.Generator(np.random.Philox(s)) for s in np.random.SeedSequence(seed).spawn(2))
    if case.lengths == "fixed":
        return np.full(n, int(case.prompt)), np.full(n, int(case.output))
    if case.lengths == "uniform":
        return (
            a.integers(round(0.8 * case.prompt), round(case.prompt) + 1, n),
            b.integers(round(0.8 * case.output), round(case.output) + 1, n),
        )
    prompt = np.maximum(np.rint(a.lognormal(np.log(case.prompt) - 0.5, 1.0, n)), 1).astype(np.int64)
    return np.minimum(prompt, 60_000), b.geometric(1.0 / case.output, n)


def demand(case: Case) -> ClassDemand:
    """Return the same laws as atoms, by strata of a large sample of its own."""
    return _demand(Case(1, 1, 1, case.prompt, case.output, case.lengths))


@cache
def _demand(case: Case, n: int = 2_000_000) -> ClassDemand:
    if case.lengths == "fixed":
        return ClassDemand("bench", 1.0, np.ones(1) * case.prompt, np.ones(1) * case.output, np.ones(1))
    prompt, output = drawn(case, n, 99)
    cuts = np.unique(np.r_[np.linspace(0, 0.98 * n, 50), np.linspace(0.98 * n, n, 51)].astype(int))
    p = np.add.reduceat(np.sort(prompt), cuts[:-1]) / np.diff(cuts)
    w = np.diff(cuts) / n
    if case.lengths == "uniform":
        o = np.array([block.mean() for block in np.array_split(np.sort(output), 16)])
        v = np.full(16, 1 / 16)
    else:
        sort = np.sort(output)
        o = np.add.reduceat(sort, cuts[:-1]) / np.diff(cuts)
        v = w
        low = np.arange(1, 9)  # short outputs one by one: 1/(out - 1) is steep there
        tail = sort[sort > 8]
        at = np.unique(
            np.r_[np.linspace(0, 0.98 * tail.size, 40), np.linspace(0.98 * tail.size, tail.size, 21)].astype(
                int
            )
        )
        o = np.r_[low, np.add.reduceat(tail, at[:-1]) / np.diff(at)]
        v = np.r_[[(sort == k).mean() for k in low], np.diff(at) / n]
    return ClassDemand(
        "bench", 1.0, np.repeat(p, o.size), np.tile(o, p.size), np.repeat(w, o.size) * np.tile(v, p.size)
    )


def transfer_s_per_token(case: Case) -> float:
    """Seconds of link for each prompt token."""
    kv, rate = LINKS[case.model]
    return kv / rate


def network(case: Case, **changed: Any) -> ClosedNetwork:
    """Return the closed network of a case."""
    d = demand(case)
    return replace(
        ClosedNetwork(
            case.users,
            d,
            latency(case.model),
            latency(case.model),
            case.prefills,
            case.decodes,
            transfer_s=transfer_s_per_token(case) * d.prompt_tokens,
            router=case.router,  # type: ignore[arg-type]
            discipline=case.discipline,  # type: ignore[arg-type]
            max_batch=case.max_batch,
            first_token_from=case.first_token_from,  # type: ignore[arg-type]
            step_factor=1.0,
        ),
        **changed,
    )


def engine(case: Case, n: int = 60_000, seed: int = 7) -> SimResult:
    """Run the engine's closed loop."""
    model = latency(case.model)
    kv, rate = LINKS[case.model]
    config = PdConfig(
        PrefillPool(case.prefills, model, case.router, case.discipline, 8192),  # type: ignore[arg-type]
        DecodePool(case.decodes, model, "round_robin", case.max_batch),
        KvLink(kv, rate),
        case.first_token_from,  # type: ignore[arg-type]
    )
    prompt, output = drawn(case, n, seed)
    raw = run_pd(config, Stream.of([], prompt, output, users=case.users), seed=seed)
    return SimResult(raw, config)
