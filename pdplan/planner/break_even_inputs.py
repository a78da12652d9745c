"""The inputs whose break-evens are sought: their value now, and the problem at another value.

Each works on a problem of one class (`Problem.only`): a verdict is about one class on its own traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from pdplan import units
from pdplan.planner.problem import Problem
from pdplan.planner.vary import scaled, with_demands, with_link, with_outputs, with_prompts, with_targets
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Limits, Slo


@dataclass(frozen=True, slots=True)
class Input:
    """A number of a scenario that may flip a verdict.

    Parameters
    ----------
    name : str
        Key in documents.
    words : str
        What it is, for people.
    unit : str
        Unit of its value in documents: ``req/s``, ``tok``, ``B/s``, ``s`` or ``share``.
    low, high : float
        Range looked at: factors of the value now, or bounds of a share.
    now : callable
        Its value in a problem; None where the scenario has no such input.
    at : callable
        The problem at another value.
    harder : str, optional
        The direction, ``up`` or ``down``, in which no fleet of either kind meets an objective that it missed;
        None for outputs, which also shape the percentiles of TPOT.
    shares_stations : bool
        Whether the queues of every pool stay as they are: only what crosses the link, or what is asked,
        changes.
    split_only : bool
        Whether it touches the split fleet alone, and more of it never raises its cost: such a verdict flips
        at most once between its three states, so its break-even is found by bisection alone.
    """

    name: str
    words: str
    unit: str
    low: float
    high: float
    now: Callable[[Problem], float | None]
    at: Callable[[Problem, float], Problem]
    harder: Literal["up", "down"] | None = None
    shares_stations: bool = False
    split_only: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is a share between 0 and 1, for which factors of 0 mean nothing."""
        return self.unit == "share"

    def bounds(self, now: float) -> tuple[float, float]:
        """Smallest and largest value looked at."""
        return (self.low, self.high) if self.is_share else (self.low * now, self.high * now)

    def show(self, value: float) -> str:
        """Return a value as people read it, to four digits."""
        if self.unit == "tok":
            return f"{value:.4g} tok" if value < 10_000 else f"{value:,.0f} tok"
        if self.unit == "req/s":
            return f"{value:.4g} req/s"
        return units.show(value, _DIMENSION[self.unit], digits=4)


_DIMENSION: Final = {"B/s": "bytes_per_s", "s": "time", "share": "fraction"}


def _mean_prompt(problem: Problem) -> float:
    return _demand(problem).mean_prompt_tokens


def _demand(problem: Problem) -> ClassDemand:
    return problem.traffic[0].demand


def at_rate(problem: Problem, rate: float) -> Problem:
    """Return the problem at another arrival rate [1/s]."""
    return scaled(problem, rate / _demand(problem).arrival_rate)


def at_prompt(problem: Problem, mean_tokens: float) -> Problem:
    """Return the problem with every prompt longer or shorter by one factor; hits stay a share of it."""
    return with_prompts(problem, mean_tokens / _demand(problem).mean_prompt_tokens)


def at_output(problem: Problem, mean_tokens: float) -> Problem:
    """Return the problem with every output longer or shorter by one factor; two tokens or more stay two."""
    return with_outputs(problem, mean_tokens / _demand(problem).mean_output_tokens)


def hit_ratio(problem: Problem) -> float:
    """Prefix-hit ratio of the class: its own, else the prefill pool's [-]."""
    name = problem.traffic[0].name
    own = next((c.prefix_hit for c in problem.scenario.classes if c.name == name), None)
    return problem.scenario.prefill.prefix_hit if own is None else own


def at_hit_ratio(problem: Problem, share: float) -> Problem:
    """Return the problem at another share of prompt tokens found in the prefix cache of prefill [-]."""

    def hits(demand: ClassDemand) -> ClassDemand:
        cached = np.maximum(np.minimum(share * demand.prompt_tokens, demand.prompt_tokens - 1.0), 0.0)
        return replace(demand, cached_tokens=cached if share > 0 else None)

    return with_demands(problem, hits)


def at_link(problem: Problem, bytes_per_s: float) -> Problem:
    """Return the problem with another bandwidth of one port, its software ceiling in proportion [B/s]."""
    return with_link(problem, bytes_per_s / problem.link.bytes_per_s)


def at_overlap(problem: Problem, share: float) -> Problem:
    """Return the problem at another share of prefill that KV streaming may hide behind [-]."""
    return problem.with_overlap(share)


def at_kv_dtype(problem: Problem, dtype: str) -> Problem:
    """Return the problem with KV stored in another type: memory, step times and freight change."""
    return replace(problem, scenario=problem.scenario.model_copy(update={"kv_dtype": dtype}))


def _limits(slo: Slo, metric: str) -> Limits:
    return slo.ttft if metric == "ttft" else slo.tpot


def target_of(problem: Problem, metric: str) -> float | None:
    """Return the first limit of a class on a metric [s]; None without one."""
    limits = _limits(problem.traffic[0].slo, metric)
    return next(iter(limits.values())) if isinstance(limits, dict) else limits


def at_target(problem: Problem, metric: Literal["ttft", "tpot"], limit_s: float) -> Problem:
    """Return the problem with every limit on a metric scaled as its first one is [s]."""
    return with_targets(problem, metric, limit_s / (target_of(problem, metric) or limit_s))


#: Inputs with a number, in the order they are printed.
INPUTS: Final[tuple[Input, ...]] = (
    Input("rate", "arrival rate", "req/s", 1 / 16, 16.0, lambda p: _demand(p).arrival_rate, at_rate, "up"),
    Input(
        "prompt_tokens",
        "mean prompt",
        "tok",
        1 / 8,
        8.0,
        lambda p: _demand(p).mean_prompt_tokens,
        at_prompt,
        "up",
    ),
    Input(
        "output_tokens", "mean output", "tok", 1 / 8, 8.0, lambda p: _demand(p).mean_output_tokens, at_output
    ),
    Input(
        "link",
        "link, one port",
        "B/s",
        1 / 64,
        64.0,
        lambda p: p.link.bytes_per_s,
        at_link,
        "down",
        shares_stations=True,
        split_only=True,
    ),
    Input(
        "overlap",
        "overlap",
        "share",
        0.0,
        1.0,
        lambda p: p.scenario.overlap,
        at_overlap,
        "down",
        shares_stations=True,
        split_only=True,
    ),
    Input("prefix_hit", "prefix-hit ratio", "share", 0.0, 0.95, hit_ratio, at_hit_ratio, "down"),
    Input(
        "ttft_target",
        "TTFT target",
        "s",
        1 / 8,
        8.0,
        lambda p: target_of(p, "ttft"),
        lambda p, x: at_target(p, "ttft", x),
        "down",
        shares_stations=True,
    ),
    Input(
        "tpot_target",
        "TPOT target",
        "s",
        1 / 8,
        8.0,
        lambda p: target_of(p, "tpot"),
        lambda p, x: at_target(p, "tpot", x),
        "down",
        shares_stations=True,
    ),
)

#: KV types tried beside the scenario's own.
KV_DTYPES: Final = ("fp8", "bf16")
