"""What a cluster of serving instances is made of, and what a step-by-step run of it returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.latency.model import LatencyModel
from pdplan.trust import Trust

Role = Literal["prefill", "decode", "combined"]

#: lines of log that nobody would read
_MAX_INTERVALS = 1_000_000


@dataclass(frozen=True, slots=True)
class ServingInstance:
    """One engine replica with continuous batching and chunked prefill.

    Parameters
    ----------
    role : {"prefill", "decode", "combined"}
        Hands requests over after their first token, takes them there, or keeps them to the end.
    latency : LatencyModel
        Its step times.
    kv_capacity_tokens : int
        Tokens of KV that it holds [tok].
    max_sequences : int
        Sequences in one step [-].
    max_step_tokens : int
        Token budget of one step: one for each decode, the rest for prompts in chunks [tok].
    """

    role: Role
    latency: LatencyModel
    kv_capacity_tokens: int
    max_sequences: int = 128
    max_step_tokens: int = 2048

    def __post_init__(self) -> None:
        """Check the limits."""
        if self.role not in ("prefill", "decode", "combined"):
            raise InputError(f"role is {self.role!r}: it must be prefill, decode or combined")
        require_positive("kv_capacity_tokens", self.kv_capacity_tokens, "tok")
        require_positive("max_sequences", self.max_sequences)
        require_positive("max_step_tokens", self.max_step_tokens, "tok")


@dataclass(frozen=True, slots=True)
class KvWire:
    """The link that carries KV out of each prefill instance, first come first served.

    A prompt of n tokens keeps it busy for ``latency + n kv_bytes_per_token / rate``.
    """

    bytes_per_s: float
    latency_s: float
    kv_bytes_per_token: float

    def __post_init__(self) -> None:
        """Check the figures."""
        require_positive("link bandwidth", self.bytes_per_s, "B/s")
        require_positive("link latency", self.latency_s, "s", zero_ok=True)
        require_positive("kv_bytes_per_token", self.kv_bytes_per_token, "B", zero_ok=True)

    def transfer_s(self, prompt_tokens: int) -> float:
        """Time to carry the KV of a prompt [s]."""
        return self.latency_s + prompt_tokens * self.kv_bytes_per_token / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Interval:
    """What a cluster did in one interval, and its state at the end of it.

    ``number`` counts intervals from 1. ``running`` are the sequences in each instance's running
    set, those whose KV is on its way included; ``kv_tokens`` the KV blocks in use on each, in tokens.
    """

    number: int
    end_s: float
    prompt_tokens_per_s: float
    generated_tokens_per_s: float
    running: tuple[int, ...]
    kv_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClusterRun:
    """Per request, in the order given; times in seconds on the clock of the arrivals.

    ``entry`` and ``exit`` are the instances that gave the first and the last token. Of requests that
    ``moved`` from a prefill to a decode instance, ``kv_ready_s`` is the end of the transfer (NaN for the
    others). ``token_s`` holds the time of every token.
    """

    arrival_s: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    scheduled_s: NDArray[np.float64]
    moved: NDArray[np.bool_]
    kv_ready_s: NDArray[np.float64]
    entry: NDArray[np.int64]
    exit: NDArray[np.int64]
    token_s: tuple[NDArray[np.float64], ...]
    preemptions: int
    peak_kv_tokens: tuple[int, ...]
    trust: Trust = Trust.SIMULATED

    @property
    def first_token_s(self) -> NDArray[np.float64]:
        """When the first token was there [s]."""
        return np.array([t[0] for t in self.token_s])

    @property
    def end_s(self) -> NDArray[np.float64]:
        """When the last token was there [s]."""
        return np.array([t[-1] for t in self.token_s])

    @property
    def ttft_s(self) -> NDArray[np.float64]:
        """Time to the first token, which prefill emits: no transfer in it [s]."""
        return self.first_token_s - self.arrival_s

    @property
    def tpot_s(self) -> NDArray[np.float64]:
        """Mean time per output token after the first, of requests with more than one [s]."""
        many = self.output_tokens > 1
        return (self.end_s - self.first_token_s)[many] / (self.output_tokens[many] - 1)


def require_servable(
    arrival_s: Sequence[float],
    prompt_tokens: Sequence[int],
    output_tokens: Sequence[int],
    instances: Sequence[ServingInstance],
    wire: KvWire | None,
    block_tokens: int,
    interval_s: float | None,
) -> None:
    """Raise `InputError` for a trace that this cluster cannot serve."""
    if not len(arrival_s) == len(prompt_tokens) == len(output_tokens):
        raise InputError(
            f"{len(arrival_s)} arrivals, {len(prompt_tokens)} prompts and {len(output_tokens)} outputs: "
            "there must be as many of each"
        )
    roles = [i.role for i in instances]
    if ("prefill" in roles) != ("decode" in roles):
        have, lack = ("prefill", "decode") if "prefill" in roles else ("decode", "prefill")
        raise InputError(f"the cluster has {have} instances and no {lack} instance: add one")
    if not roles:
        raise InputError("the cluster has no instance: add one")
    if "prefill" in roles and wire is None:
        raise InputError("the cluster hands KV over and has no link: give its bandwidth")
    if block_tokens < 1 or block_tokens != int(block_tokens):
        raise InputError(f"block_tokens is {block_tokens}: it must be a whole number of at least 1")
    if interval_s is not None and not (
        0 < interval_s < math.inf and max(arrival_s, default=0.0) / interval_s < _MAX_INTERVALS
    ):
        raise InputError(
            f"log interval is {interval_s:g} s: it must be finite, greater than 0 and give fewer than "
            f"{_MAX_INTERVALS:,} lines over the trace"
        )
    first = min((i for i in instances if i.role != "decode"), key=lambda i: i.kv_capacity_tokens)
    last = min((i for i in instances if i.role != "prefill"), key=lambda i: i.kv_capacity_tokens)
    for i, (a, p, o) in enumerate(zip(arrival_s, prompt_tokens, output_tokens, strict=True)):
        if not (math.isfinite(a) and a >= 0):
            raise InputError(f"arrival of request {i} is {a} s: it must be a finite number of at least 0")
        if p < 1 or o < 1:
            raise InputError(f"request {i} has {p} prompt and {o} output tokens: it needs at least 1 of each")
        for instance, tokens in ((first, p), (last, p + o)):
            held = instance.kv_capacity_tokens // block_tokens * block_tokens
            if -(-tokens // block_tokens) * block_tokens > held:
                raise InputError(
                    f"request {i} needs KV for {tokens} tokens and a {instance.role} instance holds {held}: "
                    "shorten it, or give the instance more memory"
                )
