"""What the tests of the engine share: a latency model, streams, and a comparison of two runs."""

from __future__ import annotations

import math

import numpy as np

from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.sim.raw import RawRun
from pdplan.sim.stream import Stream

MODEL = Fitted(
    PrefillFit(0.004, 3e-5, 1e-9), (DecodeFit(0.008, 1e-4, 3e-8),), (1, 1e5), (1, 1024), "for tests"
)
REGIMES = Fitted(
    PrefillFit(0.004, 3e-5),
    (DecodeFit(0.012, 1e-4, 3e-8), DecodeFit(0.008, 2e-4, 2e-8, from_batch=12)),
    (1, 1e5),
    (1, 1024),
    "two regimes, for tests",
)
DURATIONS = ("queue_s", "prefill_s", "transfer_s", "admission_s", "ttft_s", "tpot_s", "itl_worst_s", "end_s")


def lognormal_stream(n: int, rate: float, seed: int, prompt: float = 600.0, output: float = 60.0) -> Stream:
    """Poisson arrivals of lognormal lengths."""
    random = [np.random.Generator(np.random.Philox(s)) for s in np.random.SeedSequence(seed).spawn(3)]
    lengths = [
        np.clip(np.rint(r.lognormal(math.log(mean) - 0.32, 0.8, n)), 1, 20 * mean)
        for r, mean in zip(random[1:], (prompt, output), strict=True)
    ]
    return Stream.of(np.cumsum(random[0].exponential(1 / rate, n)), *lengths)


def rows(stream: Stream) -> list[tuple[float, int, int]]:
    """The stream as plain rows."""
    return list(
        zip(
            stream.arrival_s.tolist(),
            stream.prompt_tokens.tolist(),
            stream.output_tokens.tolist(),
            strict=True,
        )
    )


def assert_same(a: RawRun, b: RawRun, tolerance_s: float = 1e-9) -> None:
    """Two runs agree in every duration of every request, and in what they count."""
    assert np.array_equal(a.status, b.status)
    for name in DURATIONS:
        worst = float(np.abs(getattr(a, name) - getattr(b, name)).max())
        assert worst <= tolerance_s, f"{name} differs by {worst} s"
    assert a.itl_count.sum() == b.itl_count.sum()
