"""The KV link: rate, time, utilisation, waiting, freight of unequal tensor parallelism."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import MD1
from pdplan.serving.kv import kv_bytes_in_dtype, resharding_factor
from pdplan.serving.transfer import (
    effective_link_bytes_per_s,
    link_never_queues,
    link_seconds,
    link_utilization,
    link_wait,
    shared_transfer_mean_s,
    smallest_link_bytes_per_s,
)


def test_ports_and_the_software_ceiling() -> None:
    assert effective_link_bytes_per_s(1, 50e9, 142e9) == 50e9
    assert effective_link_bytes_per_s(8, 50e9, 142e9) == 142e9
    assert effective_link_bytes_per_s(8, 50e9) == 400e9
    n, r, c = sympy.symbols("n r c", positive=True)
    assert effective_link_bytes_per_s(n, r, c) == sympy.Min(n * r, c)


def test_startup_explains_small_transfers() -> None:
    """Measured RDMA, eight NICs: 37 GB/s at 128 tokens, 142 at long prompts; one fraction cannot do both."""
    per_token, cap = 131072.0, 142e9
    small = 128 * per_token
    startup = small / 37e9 - small / cap
    assert small / link_seconds(small, cap, startup) == pytest.approx(37e9)
    assert 131072 * per_token / link_seconds(131072 * per_token, cap, startup) > 0.99 * cap


def test_both_sides_have_a_utilisation() -> None:
    egress = link_utilization(100, 1e9, 4, 50e9)
    ingress = link_utilization(100, 1e9, 2, 50e9)
    assert (egress, ingress) == (0.5, 1.0)
    need = smallest_link_bytes_per_s(100, 1e9, 4, 0.5)
    assert link_utilization(100, 1e9, 4, need) == pytest.approx(0.5)


def test_equal_transfers_wait_as_md1() -> None:
    law = link_wait(8.0, np.array([0.1, 0.1]), np.array([0.5, 0.5]))
    twin = MD1(8.0, 0.1)
    assert law.mean_wait_s == pytest.approx(twin.mean_wait_s, rel=1e-9)
    assert law.wait_quantile_s(0.99) == pytest.approx(twin.wait_quantile_s(0.99), rel=0.01)


def test_a_slower_prefill_never_queues_its_link() -> None:
    """Departures of one deterministic prefill feed the link: no wait in any of 20,000 transfers, seed 1."""
    rng = np.random.default_rng(1)
    arrive = np.cumsum(rng.exponential(0.22, 20_000))
    k = np.arange(arrive.size)
    ready = 0.2 * (k + 1) + np.maximum.accumulate(arrive - 0.2 * k)
    sent = 0.15 * (k + 1) + np.maximum.accumulate(ready - 0.15 * k)
    assert link_never_queues(np.full(3, 0.15), np.full(3, 0.2))
    assert (sent - ready).max() == pytest.approx(0.15)
    assert not link_never_queues(np.array([0.05, 0.25]), np.array([0.2, 0.9]))


def test_sharing() -> None:
    assert shared_transfer_mean_s(0.02, 0.5) == pytest.approx(0.04)
    with pytest.raises(UnstableError, match="KV link"):
        shared_transfer_mean_s(0.02, 1.0)
    with pytest.raises(UnstableError):
        link_wait(11.0, np.array([0.1]), np.array([1.0]))


def test_freight_of_unequal_parallelism() -> None:
    assert [resharding_factor(tp, 8) for tp in (1, 2, 8, 16, 32)] == [1, 1, 1, 2, 4]
    assert resharding_factor(8, 1) == 8  # MLA is pulled whole by every rank
    assert resharding_factor(1, 1) == 1


def test_dtypes() -> None:
    assert kv_bytes_in_dtype(327680, "fp8") == 163840
    assert kv_bytes_in_dtype(163840, "bf16", "fp8") == 327680
    with pytest.raises(InputError, match="did you mean fp8"):
        kv_bytes_in_dtype(327680, "fp08")
