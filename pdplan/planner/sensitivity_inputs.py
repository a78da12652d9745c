"""The inputs of a plan that may be off: the problem with each of them scaled, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from pdplan.planner.problem import Problem
from pdplan.planner.vary import scaled, with_link, with_outputs, with_prompts, with_steps, with_targets

#: How far each input goes in the tornado [-].
SWING: Final = 0.10


@dataclass(frozen=True, slots=True)
class Lever:
    """One input of a plan.

    ``at`` gives the problem with the input at this factor of its value. ``served``: whether the latencies of
    a given fleet depend on it; objectives only change what is bought. ``harder``: the direction, ``up`` or
    ``down``, in which objectives can only become harder to meet; None for lengths, which also shape the
    percentiles.
    """

    name: str
    words: str
    at: Callable[[Problem, float], Problem]
    harder: Literal["up", "down"] | None = None
    served: bool = True


#: Every input, in the order of documents. A step factor is one over the decode step time.
LEVERS: Final[tuple[Lever, ...]] = (
    Lever("rate", "arrival rate", scaled, "up"),
    Lever("prompt_tokens", "prompt length", with_prompts),
    Lever("output_tokens", "output length", with_outputs),
    Lever("prefill_step", "prefill step time", lambda p, f: with_steps(p, prefill=f), "up"),
    Lever("decode_step", "decode step time", lambda p, f: with_steps(p, decode=f), "up"),
    Lever("link", "link bandwidth", with_link, "down"),
    Lever("ttft_target", "TTFT targets", lambda p, f: with_targets(p, "ttft", f), "down", served=False),
    Lever("tpot_target", "TPOT targets", lambda p, f: with_targets(p, "tpot", f), "down", served=False),
)
