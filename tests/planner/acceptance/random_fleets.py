"""Random scenarios, drawn from fixed ranges with a fixed seed, and what simulation says of the fleet of each.

`drawn` makes the scenarios, `outcome_of` plans one, serves its fleet once more with requests that the planner
has not seen, and tries the fleets next to it: one instance fewer, or a smaller TP.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from joblib import Parallel, delayed

import pdplan
from pdplan.errors import InfeasibleError, UnstableError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.search import Candidate
from pdplan.planner.verification import Verification, verify
from pdplan.spec.scenario import Scenario

#: Scenarios with a fleet, and draws for each at most.
NUMBER: Final = 60
MOST_DRAWS: Final = 2
#: Of the draw; the planner's own simulations use seed 0, these here another.
SEED: Final = 20260601
SIMULATION_SEED: Final = 77
#: Requests that judge a chosen fleet, and one next to it; so many times more where an interval is too wide.
REQUESTS: Final = 80_000
NEIGHBOUR_REQUESTS: Final = 20_000
MORE: Final = 4

#: Models, with the accelerators that they are put on.
MODELS: Final = {
    "llama-3.1-8b": ("a100-40gb", "a100-80gb", "h100-sxm-80gb", "l40s", "h20-96gb"),
    "llama-3.1-8b-fp8": ("h100-sxm-80gb", "l40s", "h200-sxm-141gb"),
    "qwen3-8b": ("a100-80gb", "h100-sxm-80gb", "l40s", "mi300x"),
    "opt-13b": ("a100-40gb", "a100-80gb"),
    "gpt-oss-20b": ("h100-sxm-80gb", "l40s", "mi300x"),
    "gemma-3-27b": ("a100-80gb", "h100-sxm-80gb", "mi300x"),
    "qwen3-30b-a3b": ("h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"),
    "qwen3-32b": ("a100-80gb", "h100-sxm-80gb", "h20-96gb", "mi300x"),
    "mixtral-8x7b": ("a100-80gb", "h100-sxm-80gb"),
    "llama-3.1-70b": ("h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb", "mi300x"),
    "llama-3.1-70b-fp8": ("h100-sxm-80gb", "h200-sxm-141gb", "h20-96gb"),
    "gpt-oss-120b": ("h100-sxm-80gb", "b200-sxm-180gb"),
    "deepseek-v3.1": ("h200-sxm-141gb", "b200-sxm-180gb"),
}
LINKS: Final = (
    "eth-25g",
    "eth-100g",
    "roce-100g",
    "roce-400g",
    "ib-hdr-200g",
    "ib-ndr-400g",
    "pcie-gen5-x16",
)
WORKLOADS: Final = ("azure-conv-2023", "sharegpt", "mooncake-conversation")
PROMPTS: Final[tuple[Any, ...]] = (
    512,
    4096,
    {"mean": 900, "p99": 4000},
    {"mean": 6000, "p99": 20000},
    {"lognormal": {"mean": 1500, "scv": 1.5}},
)
OUTPUTS: Final[tuple[Any, ...]] = (
    64,
    256,
    {"mean": 250, "p99": 1200},
    {"geometric": {"mean": 150}},
    {"lognormal": {"mean": 400, "scv": 1.0}},
)


def log_uniform(rng: random.Random, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform, to three digits."""
    return float(f"{low * (high / low) ** rng.random():.3g}")


def slo(rng: random.Random) -> dict[str, Any]:
    """One of seven forms of objective."""
    ttft = f"{log_uniform(rng, 0.4, 5.0)} s"
    tpot = f"{log_uniform(rng, 15.0, 100.0)} ms"
    form = rng.randrange(7)
    if form == 0:
        return {"ttft": {"mean": ttft}, "tpot": {"mean": tpot}}
    if form == 1:
        return {"ttft": {"p90": ttft}, "tpot": {"p90": tpot}}
    if form == 2:
        return {"ttft": {"p99": ttft}, "tpot": {"p95": tpot}}
    if form == 3:
        return {"attainment": rng.choice(["90%", "95%"]), "ttft": ttft, "tpot": tpot}
    if form == 4:
        return {"ttft": {"p95": ttft}, "itl": {"p99": tpot}}
    if form == 5:
        return {"e2e": {"p90": f"{log_uniform(rng, 10.0, 60.0)} s"}, "tpot": {"mean": tpot}}
    return {"ttft": {"p50": ttft, "p95": f"{3 * float(ttft[:-2]):.4g} s"}, "tpot": {"p99": tpot}}


def request_class(rng: random.Random, name: str) -> dict[str, Any]:
    """Rate, lengths, share of prefix hits and objectives of one class."""
    if rng.random() < 0.4:
        lengths: dict[str, Any] = {"workload": rng.choice(WORKLOADS)}
    else:
        lengths = {"prompt_tokens": rng.choice(PROMPTS), "output_tokens": rng.choice(OUTPUTS)}
    return {
        "name": name,
        "rate": f"{log_uniform(rng, 5.0, 200.0)} req/s",
        **lengths,
        "prefix_hit": rng.choice(["0%", "0%", "30%", "60%"]),
        "slo": slo(rng),
    }


def document(rng: random.Random) -> dict[str, Any]:
    """One scenario as a user writes it."""
    model = rng.choice(list(MODELS))
    accelerator = rng.choice(MODELS[model])
    return {
        "version": 1,
        "model": model,
        "accelerator": accelerator,
        "link": rng.choice(LINKS),
        "classes": [request_class(rng, f"c{i}") for i in range(rng.choice([1, 1, 2]))],
        "prefill": {
            "router": rng.choice(["random", "round_robin", "least_work", "jsq", "power_of_two"]),
            "discipline": rng.choice(["batched", "batched", "one_at_a_time"]),
            "max_batch_tokens": rng.choice([4096, 8192, 16384]),
            "parallel": {"tp": [1, 2, 4, 8]},
        },
        "decode": {
            "router": rng.choice(["round_robin", "jsq", "random"]),
            "max_batch": rng.choice([64, 256, 512]),
            "parallel": {"tp": [1, 2, 4, 8]},
        },
        "first_token_from": rng.choice(["decode", "decode", "prefill"]),
        "overlap": rng.choice(["0%", "0%", "80%"]),
        "kv_dtype": rng.choice(["bf16", "bf16", "fp8"]),
        "max_utilization": rng.choice([0.85, 0.95, 0.99]),
    }


def drawn(seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Scenarios without end."""
    rng = random.Random(seed)
    while True:
        yield document(rng)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A cheaper fleet next to the chosen one, and what simulation says of it."""

    change: str
    saves_usd_per_hour: float
    verification: Verification


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one scenario; ``fleet`` is empty where no fleet meets the objectives."""

    number: int
    document: dict[str, Any]
    fleet: str
    usd_per_hour: float = 0.0
    stepped_up: tuple[str, ...] = ()
    checked: Verification | None = None
    neighbours: tuple[Neighbour, ...] = ()
    why: str = ""

    @property
    def meets(self) -> bool:
        """Whether no objective of the chosen fleet is contradicted, and each is met by its best estimate."""
        seen = self.checked
        return seen is not None and seen.holds != "fails" and not missed(seen)

    @property
    def better(self) -> tuple[Neighbour, ...]:
        """Cheaper neighbours that are sufficient at 99% confidence."""
        return tuple(n for n in self.neighbours if n.verification.holds == "holds")


def missed(seen: Verification) -> tuple[str, ...]:
    """Objectives whose simulated value, interval aside, is beyond the limit."""
    found = []
    for c in seen.checked:
        limit = getattr(c.target, "limit_s", None)
        if c.simulated is None:
            continue
        bad = c.simulated < c.target.attainment if limit is None else c.simulated > limit  # type: ignore[union-attr]
        if bad:
            found.append(str(c))
    return tuple(found)


def outcome_of(number: int, scenario_document: dict[str, Any]) -> Outcome:
    """Plan a scenario, then judge its fleet and the fleets next to it by simulation."""
    scenario = Scenario.model_validate(scenario_document)
    try:
        plan = pdplan.plan(scenario)
    except InfeasibleError as error:
        return Outcome(number, scenario_document, "", why=str(error))
    search, best = plan.basis.search, _candidate(plan)
    fleet = _fleet(search, best)
    return Outcome(
        number,
        scenario_document,
        plan.fleet.label,
        best.usd_per_hour,
        () if plan.verification is None else plan.verification.stepped_up,
        sure(fleet, REQUESTS),
        tuple(_neighbours(search, best)),
        plan.unverified if plan.verification is None else "",
    )


def sure(fleet: Disaggregated, requests: int) -> Verification:
    """Simulate, and once more with more requests where an interval still holds its limit."""
    seen = verify(fleet, requests=requests, seed=SIMULATION_SEED)
    return seen if seen.holds != "open" else verify(fleet, requests=MORE * requests, seed=SIMULATION_SEED)


def _candidate(plan: Any) -> Candidate:
    """The fleet of a plan with its kinds of instance."""
    problem = plan.basis.search.problem
    kinds = {
        role: next(o for o in problem.options(role) if o.degrees == getattr(plan.fleet, role).degrees)
        for role in ("prefill", "decode")
    }
    return Candidate(kinds["prefill"], plan.fleet.prefill.count, kinds["decode"], plan.fleet.decode.count)


def _fleet(search: Any, c: Candidate) -> Disaggregated:
    fleet: Disaggregated = search.evaluator.fleet(c.prefill, c.prefill_count, c.decode, c.decode_count)
    return fleet


def _cheaper(search: Any, best: Candidate) -> Iterator[tuple[str, Candidate]]:
    """One prefill or decode instance fewer; the next smaller TP of a pool, as many as are still cheaper."""
    if best.prefill_count > 1:
        yield "P-1", replace(best, prefill_count=best.prefill_count - 1)
    if best.decode_count > 1:
        yield "D-1", replace(best, decode_count=best.decode_count - 1)
    for role in ("prefill", "decode"):
        kind, count = getattr(best, role), getattr(best, f"{role}_count")
        smaller = [o for o in search.problem.options(role) if o.tp < kind.tp]
        if smaller:
            option = max(smaller, key=lambda o: o.tp)
            most = (kind.gpus * count - 1) // option.gpus
            for n in sorted({count, most}):
                if n >= 1:
                    yield f"{role} {n} x TP{option.tp}", replace(best, **{role: option, f"{role}_count": n})


def _neighbours(search: Any, best: Candidate) -> Iterator[Neighbour]:
    limit = search.problem.scenario.max_utilization
    for change, candidate in _cheaper(search, best):
        saves = best.usd_per_hour - candidate.usd_per_hour
        fleet = _fleet(search, candidate)
        try:
            loads = (fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization)
        except UnstableError:
            continue
        # the scenario's own limits on load and memory bind a neighbour as they bind the plan
        if saves <= 0 or max(loads) > limit or (fleet.decode.kv_p99_share or 0.0) > 1.0:
            continue
        yield Neighbour(change, saves, sure(fleet, NEIGHBOUR_REQUESTS))


def causes(o: Outcome) -> list[str]:
    """Say why a fleet misses an objective here, or why a cheaper one next to it was not chosen."""
    found = []
    if o.fleet and o.checked is not None and not o.meets:
        if o.checked.regime == "backlogged":
            found.append("the backlog grows")
        for c in o.checked.checked:
            if c.ratio > 1.0:
                lies = "the limit lies inside the interval" if c.holds == "open" else "beyond the interval"
                found.append(f"{c}: {lies}; the planner's own run (seed 0) estimates it within")
    for n in o.better:
        found.append(
            f"{n.change} saves {n.saves_usd_per_hour:.2f} USD/h and holds in {n.verification.requests:,} "
            f"requests (seed {n.verification.seed}): the planner's own run (seed 0) does not prove it"
        )
    if o.fleet and o.checked is None:
        found.append(o.why)
    return found


def study(number: int = NUMBER, workers: int = 2, seed: int = SEED) -> tuple[list[Outcome], list[Outcome]]:
    """Judge scenarios until so many have a fleet; returns those, and the draws that no fleet can serve."""
    with_fleet: list[Outcome] = []
    without: list[Outcome] = []
    draws = enumerate(itertools.islice(drawn(seed), MOST_DRAWS * number))
    while len(with_fleet) < number and (batch := list(itertools.islice(draws, number - len(with_fleet)))):
        jobs = (delayed(outcome_of)(i, d) for i, d in batch)
        for outcome in Parallel(n_jobs=workers, batch_size=1)(jobs):
            (with_fleet if outcome.fleet else without).append(outcome)
    return with_fleet, without
