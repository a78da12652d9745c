"""Drawn requests: reproducible, one stream for each role, lengths and correlation as the workload says."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InputError, UnsupportedError
from pdplan.workload import (
    GammaArrivals,
    PoissonArrivals,
    Trace,
    TraceArrivals,
    Workload,
    generate_requests,
)

CHAT = Workload.from_document(
    {
        "name": "chat",
        "prompt_tokens": {"mean": 1155, "scv": 0.92},
        "output_tokens": {"geometric": 211},
        "length_correlation": 0.3,
    }
)


def test_same_seed_same_requests() -> None:
    a, b = (generate_requests(CHAT, PoissonArrivals(8.0), 500, seed=11) for _ in range(2))
    c = generate_requests(CHAT, PoissonArrivals(8.0), 500, seed=12)
    assert np.array_equal(a.arrival_s, b.arrival_s)
    assert np.array_equal(a.prompt_tokens, b.prompt_tokens)
    assert np.array_equal(a.output_tokens, b.output_tokens)
    assert not np.array_equal(a.prompt_tokens, c.prompt_tokens)


def test_roles_have_their_own_streams() -> None:
    a = generate_requests(CHAT, PoissonArrivals(8.0), 500, seed=1)
    b = generate_requests(CHAT, GammaArrivals(8.0, 4.0), 500, seed=1)
    assert np.array_equal(a.prompt_tokens, b.prompt_tokens)
    assert np.array_equal(a.output_tokens, b.output_tokens)
    assert not np.array_equal(a.arrival_s, b.arrival_s)


def test_lengths_follow_the_laws() -> None:
    r = generate_requests(CHAT, PoissonArrivals(8.0), 200_000, seed=2)
    assert r.prompt_tokens.dtype == r.output_tokens.dtype == np.int64
    assert min(r.prompt_tokens.min(), r.output_tokens.min()) >= 1
    # standard errors: mean sqrt(scv/n) = 0.2%
    assert r.prompt_tokens.mean() == pytest.approx(CHAT.prompt.mean, rel=0.01)
    assert r.output_tokens.mean() == pytest.approx(CHAT.output.mean, rel=0.01)
    assert np.quantile(r.prompt_tokens, 0.99) == pytest.approx(CHAT.prompt.quantile(0.99), rel=0.02)
    assert np.corrcoef(r.prompt_tokens, r.output_tokens)[0, 1] == pytest.approx(0.3, abs=0.02)
    assert r.arrival_s[-1] == pytest.approx(200_000 / 8.0, rel=0.01)


def test_a_trace_is_resampled_in_pairs_and_replayed() -> None:
    n = 50
    prompts = np.arange(1.0, n + 1)
    trace = Trace(np.arange(n) * 0.5, prompts, 3 * prompts, None, None, "test", "memory")
    workload = Workload.from_trace(trace)
    r = generate_requests(workload, TraceArrivals(trace.arrival_s), n, seed=0)
    assert np.array_equal(r.output_tokens, 3 * r.prompt_tokens)
    assert np.array_equal(r.arrival_s, trace.arrival_s)
    # 32 strata against 24 cannot be put in one order entirely
    assert workload.joint().correlation == pytest.approx(1.0, abs=0.01)
    with pytest.raises(InputError, match="51 requests asked of a trace of 50"):
        generate_requests(workload, TraceArrivals(trace.arrival_s), n + 1, seed=0)


def test_refusals() -> None:
    with pytest.raises(InputError, match="0 requests"):
        generate_requests(CHAT, PoissonArrivals(1.0), 0, seed=0)

    class Other:
        rate = local_scv = 1.0

        def index_of_dispersion(self, window_s: float) -> float:
            return 1.0

    with pytest.raises(UnsupportedError, match="Other"):
        generate_requests(CHAT, Other(), 5, seed=0)
