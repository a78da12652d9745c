"""What describe finds: by hand on small traces, against numpy on large ones, in words on the public ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.workload import (
    Labels,
    Trace,
    describe_trace,
    prefix_reuse,
    rate_for,
    read_trace,
    suggested_classes,
    window_rates,
)
from pdplan.workload.generate import streams
from pdplan.workload.hashes import BlockHashes
from pdplan.workload.histogram import TokenHistogram, rank_correlation
from pdplan.workload.lru import lru_hits
from pdplan.workload.windows import day_profile, local_scv
from pdplan.workload.wording import arrival_sentences, reuse_sentence

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not on this machine")


def poisson(rate: float, n: int, seed: int = 5) -> np.ndarray:
    times = np.cumsum(streams(seed).arrivals.exponential(1.0 / rate, n))
    return times - times[0]


def trace_of(arrival_s: np.ndarray, prompt: np.ndarray, output: np.ndarray) -> Trace:
    return Trace(arrival_s, prompt, output, None, None, "test", "memory")


def test_rate_for_by_hand() -> None:
    # windows of 10 s from 0: 4, 1, 2, 1 arrivals; the fifth window, 40 s to 41 s, is not whole
    times = np.array([0.0, 1, 2, 3, 15, 21, 22, 35, 41])
    assert window_rates(times, 10.0).tolist() == [0.4, 0.1, 0.2, 0.1]
    median = rate_for(times, 10.0, 0.5)
    assert (median.rate, median.time_share) == (0.1, 0.5)
    assert median.request_share == pytest.approx(2 / 8)
    p75 = rate_for(times, 10.0, 0.75)
    assert (p75.rate, p75.time_share, p75.windows) == (0.2, 0.75, 4)
    assert p75.request_share == pytest.approx(0.5)
    top = rate_for(times, 10.0, 0.99)
    assert (top.rate, top.time_share, top.request_share, top.peak_rate) == (0.4, 1.0, 1.0, 0.4)
    assert top.mean_rate == pytest.approx(0.2)


def test_rate_for_refuses() -> None:
    ticks = np.repeat(np.arange(0.0, 300.0, 3.0), 10)
    for call, says in (
        (lambda: rate_for(np.arange(9.0), 60.0, 0.5), "spans 8 s; give a shorter window"),
        (lambda: rate_for(np.zeros(5), 1.0, 0.5), "has no rate"),
        (lambda: rate_for(np.arange(9.0), 1e-9, 0.5), "give longer windows"),
        (lambda: rate_for(np.arange(9.0), 1.0, 1.5), "must lie in"),
        (lambda: rate_for(np.arange(9.0), 0.0, 0.5), "greater than 0"),
        (lambda: rate_for(ticks, 5.0, 0.5), "ticks every 3 s; give windows of 9 s or more"),
    ):
        with pytest.raises(InputError, match=says):
            call()
    assert rate_for(ticks, 30.0, 0.5).rate == pytest.approx(10 / 3, rel=0.2)


def test_statistics_in_chunks_are_those_of_the_whole() -> None:
    n = 1_300_000  # several chunks
    random = streams(4).prompts
    x = np.ceil(random.lognormal(6.0, 1.0, n))
    y = np.ceil(0.2 * x + random.lognormal(4.0, 1.0, n))
    found = describe_trace(trace_of(poisson(50.0, n), x, y))
    assert found.prompt.mean == pytest.approx(x.mean(), rel=1e-12)
    assert found.prompt.scv == pytest.approx(x.var() / x.mean() ** 2, rel=1e-9)
    assert found.prompt.p999 == np.sort(x)[int(np.ceil(0.999 * n)) - 1]
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)
    assert found.arrivals is not None
    assert found.arrivals.local_scv == pytest.approx(1.0, abs=0.02)
    scipy_stats = pytest.importorskip("scipy.stats")
    assert found.rank_correlation == pytest.approx(scipy_stats.spearmanr(x, y).statistic, rel=1e-9)


def test_lengths_beyond_the_table_are_counted_too() -> None:
    x = np.array([5.0, 5e7, 5.0, 9e7, 12.0])
    h = TokenHistogram.of(x)
    assert (h.values.tolist(), h.counts.tolist()) == ([5, 12, 5e7, 9e7], [2, 1, 1, 1])
    assert rank_correlation(x, x, h, h) == pytest.approx(1.0)
    assert h.scv == pytest.approx(x.var() / x.mean() ** 2)


def test_local_scv_by_hand() -> None:
    # one window of 20 gaps: 19 of 1 s and one of 3 s: mean 22/20, mean square 28/20
    times = np.concatenate([[0.0], np.cumsum([*([1.0] * 19), 3.0])])
    assert local_scv(times, 100.0) == pytest.approx((28 / 20 / (22 / 20) ** 2 - 1) * 20 / 19)


def test_local_scv_over_chunks() -> None:
    times = poisson(100.0, 1_200_000)
    window = (times / 60.0).astype(int)
    gaps, inside = np.diff(times), window[1:] == window[:-1]
    n = np.bincount(window[1:][inside])
    mean = np.bincount(window[1:][inside], gaps[inside]) / n
    square = np.bincount(window[1:][inside], gaps[inside] ** 2) / n
    expected = (square / mean**2 - 1) * n / (n - 1) @ n / n.sum()
    assert local_scv(times, 60.0) == pytest.approx(expected, rel=1e-9)


def test_day_profile_by_hand() -> None:
    # from 23:30: one request a minute in the first half hour, then one in ten minutes for 24 h
    times = np.concatenate([np.arange(30) * 60.0, 1800.0 + np.arange(145) * 600.0])
    rates = day_profile(times, start_of_day_s=23.5 * 3600)
    assert rates[0] == pytest.approx(1 / 600)
    # 23 h to 24 h: half an hour with 30 requests and, a day later, a whole one with 6
    assert rates[23] == pytest.approx(36 / 5400)
    with pytest.raises(InputError, match="needs 24 h"):
        day_profile(times[:10])


@pytest.mark.parametrize("capacity", [1, 3, 10, 40])
def test_the_compiled_cache_is_the_ordered_one(capacity: int) -> None:
    random = streams(3).prompts
    lists = [tuple(random.integers(0, 50, int(random.integers(0, 9))).tolist()) for _ in range(500)]
    lists = [tuple(dict.fromkeys(blocks)) for blocks in lists]  # a chain names a block once
    hashes = BlockHashes.of(lists)
    prompts = np.maximum(16.0 * hashes.counts, 1.0)
    expected = prefix_reuse(lists, prompts, 16, capacity).cached_tokens / 16
    _, block = np.unique(hashes.ids, return_inverse=True)
    found = lru_hits(block, hashes.starts, int(block.max()) + 1, capacity)
    assert found.tolist() == expected.tolist()


def test_a_cache_needs_identities_and_room() -> None:
    plain = trace_of(np.arange(3.0), np.ones(3), np.ones(3))
    with pytest.raises(InputError, match="does not tell which prompts share a prefix"):
        describe_trace(plain, cache_tokens=1e6)
    hashed = Trace(
        np.arange(2.0), np.full(2, 600.0), np.ones(2), BlockHashes.of([(1, 2), (1, 2)]), 512, "", ""
    )
    with pytest.raises(InputError, match="no block of 512 tokens"):
        describe_trace(hashed, cache_tokens=100)
    unlimited, limited = describe_trace(hashed, cache_tokens=600).reuse
    # without limit the second prompt is found whole; one block of cache holds the first block only
    assert (unlimited.hit, limited.hit) == (0.5, 512 / 1200)


def test_clusters_of_lengths() -> None:
    random = streams(9).prompts
    short = np.ceil(random.lognormal(5.0, 0.2, 3000))
    long = np.ceil(random.lognormal(8.0, 0.3, 1000))
    prompts = np.concatenate([short, long])
    outputs = np.ceil(random.lognormal(5.0, 0.5, 4000))
    found = suggested_classes(prompts, outputs)
    assert found is not None
    assert [c.share for c in found.classes] == pytest.approx([0.75, 0.25], abs=0.005)
    assert found.classes[0].prompt_mean == pytest.approx(short.mean(), rel=0.01)
    assert found.classes[1].prompt_scv == pytest.approx(long.var() / long.mean() ** 2, rel=0.05)
    within = (3000 * short.var() + 1000 * long.var()) / 4000 / prompts.mean() ** 2
    assert found.prompt_scv_within == pytest.approx(within, rel=0.05)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.6])
def test_one_skewed_law_is_one_class(sigma: float) -> None:
    random = streams(10).prompts
    prompts = np.ceil(random.lognormal(7.0, sigma, 50_000))
    outputs = np.ceil(random.gamma(1.0, 200.0, 50_000))
    assert suggested_classes(prompts, outputs) is None
    uniform = np.ceil(random.uniform(2000.0, 25_000.0, 50_000))
    assert suggested_classes(uniform, outputs) is None
    assert suggested_classes(uniform, np.full(50_000, 9.0)) is None
    assert suggested_classes(np.full(500, 7.0), np.full(500, 9.0)) is None


def test_labels_make_the_classes_and_the_rest_is_put_together() -> None:
    codes = np.repeat(np.arange(12, dtype=np.int32), np.arange(12, 0, -1))
    labels = Labels("tenant", tuple("abcdefghijkl"), codes)
    lengths = 10.0 * (codes + 1)
    found = suggested_classes(lengths, lengths, labels)
    assert found is not None
    assert [c.name for c in found.classes] == [*"abcdefgh", "4 others"]
    assert found.classes[0].share == pytest.approx(12 / 78)
    # i to l: 4, 3, 2, 1 requests of 90, 100, 110, 120 tokens
    assert found.classes[-1].prompt_mean == pytest.approx((4 * 90 + 3 * 100 + 2 * 110 + 120) / 10)


@needs_traces
def test_azure_in_words() -> None:
    measured = describe_trace(read_trace(TRACES / "AzureLLMInferenceTrace_conv.csv"))
    assert measured.arrivals is not None
    assert measured.arrivals.local_scv == pytest.approx(1.04, abs=0.03)
    said = " ".join(arrival_sentences(measured.arrivals))
    assert said.startswith("Inside one-minute windows arrivals look Poisson (c_a^2 1.0")
    assert "but the rate drifts: the busiest minute has 8.45 req/s against a mean of 5.5" in said


@needs_traces
def test_mooncake_in_words() -> None:
    measured = describe_trace(read_trace(TRACES / "mooncake_conversation_first30min.jsonl"))
    assert measured.arrivals is not None
    assert "Timestamps tick every 3 s" in arrival_sentences(measured.arrivals)[0]
    # the supplied file is the first half hour; over the whole hour it is 37%
    said = reuse_sentence(measured.reuse[0], measured)
    assert said.startswith("34.7% of the prompt tokens would be found in a cache without limit.")
    assert measured.uncached is not None
    assert measured.uncached.scv == pytest.approx(3.0, abs=0.01)


def test_steady_traffic_is_called_steady() -> None:
    measured = describe_trace(trace_of(poisson(10.0, 20_000), np.ones(20_000), np.ones(20_000)))
    assert measured.arrivals is not None
    assert arrival_sentences(measured.arrivals) == [
        f"Inside one-minute windows arrivals look Poisson (c_a^2 {measured.arrivals.local_scv:.2f}), "
        "and the rate holds: windows differ no more than chance makes them."
    ]
