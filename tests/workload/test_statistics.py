"""Statistics of arrivals: a drifting rate and a coarse clock are not taken for bursts; real bursts are."""

from __future__ import annotations

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.workload import (
    GammaArrivals,
    ModulatedArrivals,
    PoissonArrivals,
    TraceArrivals,
    arrival_statistics,
    detect_tick,
    length_statistics,
    prefix_reuse,
    spread_ticks,
)
from pdplan.workload.generate import arrival_times, streams
from pdplan.workload.windows import index_of_dispersion, local_scv, window_counts


def poisson(rate: float, n: int, seed: int = 0) -> np.ndarray:
    return arrival_times(PoissonArrivals(rate), n, streams(seed).arrivals)


def test_poisson_reads_as_poisson() -> None:
    # 36,000 exponential gaps: the SCV has a standard error of sqrt(8/n) = 0.015
    s = arrival_statistics(poisson(10.0, 36_000))
    assert s.rate == pytest.approx(10.0, rel=0.02)
    assert s.local_scv == pytest.approx(1.0, abs=0.05)
    assert s.index_of_dispersion[1.0] == pytest.approx(1.0, abs=0.1)
    assert s.index_of_dispersion[60.0] == pytest.approx(1.0, abs=0.6)
    assert s.tick_s is None


def test_a_drifting_rate_is_locally_poisson() -> None:
    # rate 10 (1 + 0.8 sin) with a period of one hour, by the inverse of its integral
    t = np.linspace(0, 7200, 200_000)
    integral = 10 * (t - 0.8 * 3600 / (2 * np.pi) * (np.cos(2 * np.pi * t / 3600) - 1))
    arrivals = np.interp(poisson(1.0, 71_000), integral, t)
    gaps = np.diff(arrivals)
    assert gaps.var() / gaps.mean() ** 2 > 1.3
    s = arrival_statistics(arrivals)
    assert s.local_scv == pytest.approx(1.0, abs=0.05)
    assert s.index_of_dispersion[300.0] > 100
    assert s.peak_rate == pytest.approx(18.0, rel=0.1)


@pytest.mark.parametrize("scv", [0.25, 4.0])
def test_gamma_gaps_keep_their_variation(scv: float) -> None:
    s = arrival_statistics(arrival_times(GammaArrivals(20.0, scv), 60_000, streams(2).arrivals))
    assert s.local_scv == pytest.approx(scv, rel=0.06)
    assert s.index_of_dispersion[10.0] == pytest.approx(scv, rel=0.25)


@pytest.mark.parametrize("tick", [0.001, 1.0, 3.0])
def test_a_coarse_clock_is_found_and_spread(tick: float) -> None:
    rate = 10.0 / tick
    true = poisson(rate, 30_000, seed=4)
    jitter = np.round(streams(9).outputs.uniform(-3e-4, 3e-4, int(true[-1] / tick) + 1) * tick, 9)
    index = np.floor(true / tick).astype(int)
    stamped = index * tick + jitter[index]
    clock = detect_tick(stamped)
    assert clock.tick_s == pytest.approx(tick, rel=1e-3)
    assert clock.duplicate_share == pytest.approx(0.9, abs=0.01)
    spread = spread_ticks(np.maximum(stamped, 0.0), clock.tick_s)
    gaps = np.diff(spread)
    assert np.all(gaps >= 0)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(1.0, abs=0.06)
    assert arrival_statistics(stamped).local_scv is None


def test_groups_of_arrivals_are_not_a_clock() -> None:
    groups = np.repeat(poisson(1.0, 3000), 4)
    clock = detect_tick(groups)
    assert clock.tick_s is None
    assert clock.duplicate_share == pytest.approx(0.75)
    assert arrival_statistics(groups).index_of_dispersion[60.0] == pytest.approx(4.0, rel=0.5)


def test_windows_that_the_clock_cannot_resolve_are_left_out() -> None:
    s = arrival_statistics(np.floor(poisson(5.0, 20_000) / 3.0) * 3.0)
    assert set(s.index_of_dispersion) == {10.0, 60.0, 300.0}


def test_modulated_dispersion_against_simulation() -> None:
    m = ModulatedArrivals(high_rate=30.0, low_rate=2.0, high_s=5.0, low_s=20.0)
    arrivals = arrival_times(m, 600_000, streams(5).arrivals)
    assert arrivals.size / arrivals[-1] == pytest.approx(m.rate, rel=0.05)
    for window in (1.0, 10.0, 60.0):
        counts = window_counts(arrivals, float(arrivals[-1]), window)
        assert index_of_dispersion(counts) == pytest.approx(m.index_of_dispersion(window), rel=0.08)


def test_on_off_has_no_arrivals_when_off() -> None:
    m = ModulatedArrivals(high_rate=50.0, low_rate=0.0, high_s=10.0, low_s=30.0)
    arrivals = arrival_times(m, 50_000, streams(6).arrivals)
    assert m.rate == 12.5
    assert np.all(np.diff(arrivals) >= 0)
    assert arrivals.size / arrivals[-1] == pytest.approx(12.5, rel=0.1)
    # inside the on phases arrivals are Poisson at 50/s: windows of 1 s hold 0 or about 50
    assert np.mean(window_counts(arrivals, float(arrivals[-1]), 1.0) == 0) == pytest.approx(0.7, abs=0.08)


def test_arrival_processes_answer_and_refuse() -> None:
    trace = TraceArrivals(poisson(10.0, 10_000))
    assert trace.rate == pytest.approx(10.0, rel=0.05)
    assert trace.local_scv == pytest.approx(1.0, abs=0.1)
    assert trace.index_of_dispersion(10.0) == pytest.approx(1.0, abs=0.5)
    with pytest.raises(InputError, match="twice their length"):
        trace.index_of_dispersion(900.0)
    for wrong in (
        lambda: PoissonArrivals(0.0),
        lambda: PoissonArrivals(float("nan")),
        lambda: GammaArrivals(1.0, -1.0),
        lambda: ModulatedArrivals(1.0, 2.0, 3.0, 4.0),
        lambda: PoissonArrivals(1.0).index_of_dispersion(0.0),
    ):
        with pytest.raises(InputError):
            wrong()
    assert (
        PoissonArrivals(3.0).index_of_dispersion(5.0) == GammaArrivals(3.0, 1.0).index_of_dispersion(5.0) == 1
    )


def test_too_few_arrivals() -> None:
    for arrivals in (np.zeros(0), np.zeros(1), np.zeros(5)):
        with pytest.raises(InputError, match="has no rate"):
            arrival_statistics(arrivals)
    assert local_scv(np.array([0.0, 1.0]), 10.0) is None


def test_length_statistics_against_numpy() -> None:
    x = np.ceil(streams(1).prompts.lognormal(6, 1, 999))
    s = length_statistics(x)
    assert s.scv == pytest.approx(np.var(x) / np.mean(x) ** 2)
    assert s.p99 == np.sort(x)[989]
    assert (s.least, s.most) == (x.min(), x.max())


def brute_force_reuse(hash_ids: list[list[int]], capacity: int | None) -> list[int]:
    """Least recently used by time stamps: the second witness of the ordered dictionary."""
    last_use: dict[int, int] = {}
    now, hits = 0, []
    for blocks in hash_ids:
        n = 0
        while n < len(blocks) and blocks[n] in last_use:
            n += 1
        hits.append(n)
        for block in blocks[::-1]:
            now += 1
            last_use[block] = now
        if capacity is not None:
            for block in sorted(last_use, key=last_use.__getitem__)[: max(len(last_use) - capacity, 0)]:
                del last_use[block]
    return hits


@pytest.mark.parametrize("capacity", [None, 1, 5, 20, 1000])
def test_prefix_reuse_against_brute_force(capacity: int | None) -> None:
    random = streams(8).prompts
    parents: list[list[int]] = [[]]
    hash_ids = []
    for i in range(400):
        parent = parents[int(random.integers(len(parents)))][: int(random.integers(1, 9))]
        blocks = [*parent, *(1000 * (i + 1) + k for k in range(int(random.integers(1, 5))))]
        parents.append(blocks)
        hash_ids.append(blocks)
    prompts = np.array([16.0 * len(b) - 3 for b in hash_ids])
    reuse = prefix_reuse(hash_ids, prompts, 16, capacity)
    expected = np.minimum(16.0 * np.array(brute_force_reuse(hash_ids, capacity)), prompts)
    assert reuse.cached_tokens == pytest.approx(expected)
    assert reuse.hit_ratio == pytest.approx(expected.sum() / prompts.sum())


def test_prefix_reuse_refuses() -> None:
    with pytest.raises(InputError, match="1 hash lists for 2 prompts"):
        prefix_reuse([[1]], np.ones(2), 16)
    with pytest.raises(InputError, match="at least 1"):
        prefix_reuse([[1]], np.ones(1), 16, 0)
