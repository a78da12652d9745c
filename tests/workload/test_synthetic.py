"""Synthetic traces and workload documents: what goes out comes back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import yaml

from pdplan.errors import InputError
from pdplan.workload import (
    DriftingArrivals,
    Requests,
    Trace,
    Workload,
    describe_trace,
    history_arrivals,
    read_trace,
    requests_for,
    trace_workload,
    write_trace,
)
from pdplan.workload.export import FORMATS
from pdplan.workload.generate import arrival_times, streams
from pdplan.workload.hashes import BlockHashes
from pdplan.workload.windows import index_of_dispersion, window_counts

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not on this machine")


def drifting_trace(n: int = 30_000) -> Trace:
    """Poisson arrivals whose rate swings between 5 and 15 every ten minutes; correlated lengths."""
    random = streams(21)
    rates = 10.0 + 5.0 * np.sin(np.arange(10) * 2 * np.pi / 10)
    times = arrival_times(DriftingArrivals(rates, 60.0), n, random.arrivals)
    prompt = np.ceil(random.prompts.lognormal(6.0, 0.8, n))
    output = np.ceil(0.1 * prompt + random.outputs.exponential(100.0, n))
    return Trace(times - times[0], prompt, output, None, None, "test", "memory")


def saved(folder: Path, requests: Requests, kind: str) -> Path:
    path = folder / "synthetic"
    with path.open("w", encoding="utf-8") as file:
        write_trace(requests, file, kind)
    return path


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_written_traces_read_back(tmp_path: Path, kind: str) -> None:
    drawn = Requests(
        np.array([0.0, 0.5, 7.25]), np.array([1, 512, 513], np.int64), np.array([3, 1, 9], np.int64)
    )
    trace = read_trace(saved(tmp_path, drawn, kind))
    assert trace.arrival_s == pytest.approx([0.0, 0.5, 7.25], abs=1e-12)
    assert trace.prompt_tokens.tolist() == [1, 512, 513]
    assert trace.output_tokens.tolist() == [3, 1, 9]
    if kind == "mooncake":
        assert trace.hash_ids is not None
        assert list(trace.hash_ids) == [(0,), (1,), (2, 3)]
        assert describe_trace(trace).prefix_hit == 0.0
    with pytest.raises(InputError, match="did you mean mooncake"):
        write_trace(drawn, io.StringIO(), "moonkake")


def test_resampled_history_keeps_rate_drift_and_lengths(tmp_path: Path) -> None:
    trace = drifting_trace()
    drawn, words = requests_for(Workload.from_trace(trace), requests=30_000, seed=3)
    assert "drifting over windows of 60 s as the trace does" in words
    again = describe_trace(read_trace(saved(tmp_path, drawn, "csv")))
    before = describe_trace(trace)
    assert again.arrivals is not None
    assert before.arrivals is not None
    # standard errors: rate 1/sqrt(30000) = 0.6%; mean sqrt(scv/n) = 0.6%
    assert again.arrivals.rate == pytest.approx(before.arrivals.rate, rel=0.02)
    assert again.arrivals.local_scv == pytest.approx(1.0, abs=0.05)
    for a, b in ((again.prompt, before.prompt), (again.output, before.output)):
        assert a.mean == pytest.approx(b.mean, rel=0.02)
        assert a.scv == pytest.approx(b.scv, rel=0.1)
        assert a.p99 == pytest.approx(b.p99, rel=0.05)
    assert again.correlation == pytest.approx(before.correlation, abs=0.03)
    # counts in windows vary as much as in the trace: neither without the drift (1) nor with chance twice
    dispersion = before.arrivals.index_of_dispersion[60.0]
    assert dispersion > 50
    assert again.arrivals.index_of_dispersion[60.0] == pytest.approx(dispersion, rel=0.15)


def test_drift_of_a_steady_trace_is_not_invented() -> None:
    times = np.cumsum(streams(8).arrivals.exponential(0.1, 40_000))
    trace = Trace(times - times[0], np.ones(40_000), np.ones(40_000), None, None, "test", "memory")
    arrivals = history_arrivals(trace)
    drawn = arrival_times(arrivals, 40_000, streams(9).arrivals)
    counts = window_counts(drawn, float(drawn[-1]), 60.0)
    # 66 windows: standard error of a dispersion of 1 is sqrt(2 / 65) = 0.18
    assert index_of_dispersion(counts) == pytest.approx(1.0, abs=0.54)


def test_drifting_arrivals_follow_their_windows() -> None:
    drift = DriftingArrivals(np.array([0.0, 30.0, 10.0]), 20.0, local_scv=0.25)
    times = arrival_times(drift, 80_000, streams(1).arrivals)
    assert np.all(np.diff(times) >= 0)
    phase = (times % 60.0 // 20.0).astype(int)
    # 0 : 600 : 200 requests a round
    assert np.bincount(phase, minlength=3) / times.size == pytest.approx([0.0, 0.75, 0.25], abs=0.005)
    assert drift.rate == pytest.approx(40 / 3)
    for wrong in ((np.zeros(3), 60.0), (np.array([-1.0, 3.0]), 60.0), (np.ones(3), 0.0)):
        with pytest.raises(InputError):
            DriftingArrivals(*wrong)


def test_duration_rate_and_refusals() -> None:
    chat = Workload.from_document({"name": "chat", "prompt_tokens": 100, "output_tokens": {"geometric": 20}})
    drawn, words = requests_for(chat, rate=7.0, duration_s=1000.0, seed=1)
    assert words == "Poisson arrivals at 7 req/s"
    # 7000 expected, standard error 84
    assert drawn.arrival_s.size == pytest.approx(7000, abs=340)
    assert drawn.arrival_s[-1] <= 1000.0
    scaled, _ = requests_for(Workload.from_trace(drifting_trace()), rate=2.0, duration_s=6000.0, seed=1)
    assert scaled.arrival_s.size == pytest.approx(12_000, rel=0.05)
    for arguments, says in (
        ({"requests": 5}, "does not say at what rate"),
        ({"rate": 1.0}, "either a number of requests or a duration"),
        ({"rate": 1.0, "requests": 5, "duration_s": 5.0}, "either a number"),
        ({"rate": -1.0, "requests": 5}, "greater than 0"),
        ({"rate": 1e6, "duration_s": 1e6}, "more than 1e8 requests"),
    ):
        with pytest.raises(InputError, match=says):
            requests_for(chat, **arguments)


def test_the_same_seed_gives_the_same_trace() -> None:
    w = Workload.from_trace(drifting_trace(3000))
    a, b, c = (requests_for(w, requests=500, seed=s)[0] for s in (1, 1, 2))
    assert np.array_equal(a.arrival_s, b.arrival_s)
    assert np.array_equal(a.prompt_tokens, b.prompt_tokens)
    assert not np.array_equal(a.arrival_s, c.arrival_s)


def test_documents_hold_what_the_trace_held() -> None:
    trace = drifting_trace()
    hashes = BlockHashes.of([(i % 100, 100 + i) for i in range(len(trace))])
    trace = Trace(
        trace.arrival_s, trace.prompt_tokens + 16, trace.output_tokens, hashes, 16, "test", "a/b.csv"
    )
    text = trace_workload(trace, "mine")
    document = yaml.safe_load(text)
    w = Workload.from_document(document)
    before = describe_trace(trace)
    assert before.arrivals is not None
    assert w.arrivals is not None
    assert w.name == "mine"
    assert w.source == "test, b.csv"
    assert w.prompt.mean == pytest.approx(before.prompt.mean, rel=2e-3)
    assert w.output.scv == pytest.approx(before.output.scv, rel=2e-2)
    assert w.length_correlation == pytest.approx(before.correlation, abs=1e-4)
    assert w.prefix_hit == pytest.approx(before.prefix_hit, abs=1e-4)
    assert w.arrivals.rate == pytest.approx(before.arrivals.rate, rel=1e-4)
    assert w.arrivals.rate_quantiles[0.99] == pytest.approx(before.arrivals.p99_rate, abs=1e-3)
    assert w.arrivals.windows == before.arrivals.windows
    assert before.uncached is not None
    assert document["uncached_prompt"]["quantiles"][100] == before.uncached.most
    assert document["uncached_prompt"]["mean"] == pytest.approx(before.uncached.mean, abs=0.1)


@pytest.mark.parametrize("name", ["chat", "my chat: 7", "no", "2024-05", 'a"b\\c'])
def test_any_name_survives(name: str) -> None:
    trace = Trace(np.arange(9.0), np.full(9, 40.0), np.full(9, 5.0), None, None, "test", 'c:\\x"y.csv')
    assert Workload.from_document(yaml.safe_load(trace_workload(trace, name))).name == name
