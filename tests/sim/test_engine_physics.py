"""Small cases worked by hand, conservation, and queueing laws that the engine must reproduce."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pdplan.errors import InputError, UnsupportedError
from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.queueing import MD1, MM1, MDc
from pdplan.sim.config import (
    ColocatedConfig,
    DecodePool,
    KvLink,
    KvMemory,
    PdConfig,
    PrefillPool,
    Recording,
)
from pdplan.sim.run import run_colocated, run_pd
from pdplan.sim.stream import Stream, merged
from tests.sim.engine_cases import MODEL, lognormal_stream

# prefill: 10 ms + 0.1 ms a token; decode step: 20 ms + 1 ms a sequence + 10 us a context token
HAND = Fitted(PrefillFit(0.010, 1e-4), (DecodeFit(0.020, 0.001, 1e-5),), (1, 1e5), (1, 256), "by hand")
ONE_MS_A_TOKEN = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(1e-6, 0.0),), (1, 1e6), (1, 1e5), "one server")


def test_two_requests_by_hand() -> None:
    """A: prefill to 0.110, KV to 0.130, steps of 31, 31.01 and 31.02 ms. B prefills from 0.110 to 0.220."""
    config = PdConfig(PrefillPool(1, HAND, batch_tokens=1000), DecodePool(1, HAND), KvLink(1e6, 5e10))
    run = run_pd(config, Stream.of([0.0, 0.05], [1000, 1000], [3, 1]))
    assert run.queue_s == pytest.approx([0.0, 0.060])
    assert run.prefill_s == pytest.approx([0.110, 0.110])
    assert run.transfer_s == pytest.approx([0.020, 0.020])
    assert run.admission_s == pytest.approx([0.0, 0.0], abs=1e-12)
    assert run.ttft_s == pytest.approx([0.161, 0.110 + 0.110 + 0.020 + 0.031 - 0.05])
    assert run.tpot_s == pytest.approx([(0.03101 + 0.03102) / 2, 0.0])
    assert run.itl_worst_s == pytest.approx([0.03102, 0.0])
    assert run.end_s == pytest.approx([0.130 + 0.031 + 0.03101 + 0.03102, 0.271])
    assert run.prefill is not None
    assert run.prefill.busy_s == pytest.approx([0.22])
    assert run.prefill.link_busy_s == pytest.approx([0.04])
    assert run.decode.busy_s == pytest.approx([0.09303 + 0.031])
    assert run.prefill.kv_token_s == pytest.approx([1000 * 0.130 + 1000 * 0.130])


def test_joining_waits_for_the_step_under_way() -> None:
    """B's KV is there at 0.5; A's steps from 0 end every 22.01.. ms: B joins at the next end."""
    config = PdConfig(PrefillPool(2, ONE_MS_A_TOKEN), DecodePool(1, dataclasses.replace(HAND)))
    run = run_pd(config, Stream.of([0.0, 0.4], [100, 100], [100, 2]))
    ends = 0.1 + np.cumsum(0.021 + 1e-5 * (100 + np.arange(100)))
    joined = ends[ends >= 0.5][0]
    assert run.admission_s[1] == pytest.approx(joined - 0.5)
    alone = round(float((ends < joined + 1e-12).sum()))
    assert run.ttft_s[1] == pytest.approx(joined - 0.4 + 0.022 + 1e-5 * (100 + alone + 100))


def test_decode_that_does_not_pull_stops_prefill() -> None:
    """One place at decode and room for one prompt at prefill: the third waits until the second is pulled."""
    prefill = PrefillPool(1, HAND, discipline="one_at_a_time", kv_capacity_tokens=1000)
    stream = Stream.of([0.0] * 3, [1000] * 3, [10, 10, 1])
    run = run_pd(PdConfig(prefill, DecodePool(1, HAND, max_batch=1)), stream)
    assert run.queue_s[:2] == pytest.approx([0.0, 0.110])
    assert run.queue_s[2] == pytest.approx(run.end_s[0])  # B's prefill ended at 0.220, its pull waits for A
    wide = dataclasses.replace(prefill, kv_capacity_tokens=2000)
    run = run_pd(PdConfig(wide, DecodePool(1, HAND, max_batch=1)), stream)
    assert run.queue_s[2] == pytest.approx(0.220)


def test_overlap_hides_all_but_the_last_layer() -> None:
    """Prefill 110 ms, transfer 88 ms, 44 layers: overlap 1 leaves 2 ms; 0.5 leaves 88 - 55 = 33 ms."""
    for overlap, visible in ((0.0, 0.088), (0.5, 0.033), (1.0, 0.002)):
        link = KvLink(88.0, 1e6, mode="push", overlap=overlap, layers=44)
        run = run_pd(PdConfig(PrefillPool(1, HAND), DecodePool(1, HAND), link), Stream.of([0.0], [1000], [1]))
        assert run.transfer_s[0] == pytest.approx(visible)


def test_fifo_and_shared_link_by_hand() -> None:
    """Two transfers of 1 s asked for at once: 1 s and 2 s one after another; 2 s and 2 s shared.

    Prefill takes 1 s: the first request alone, the other two together.
    """
    model = Fitted(PrefillFit(1.0, 0.0), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 64), "by hand")
    for sharing, spans in (("fifo", [1.0, 2.0]), ("shared", [2.0, 2.0])):
        link = KvLink(1.0, 100.0, sharing=sharing)  # type: ignore[arg-type]
        run = run_pd(
            PdConfig(PrefillPool(1, model), DecodePool(3, model), link),
            Stream.of([0.0, 0.5, 0.5], [100] * 3, [2] * 3),
        )
        assert run.transfer_s == pytest.approx([1.0, *spans])
    # from two prefill instances into one ingress: FIFO sends one after the other, sharing halves the rate
    for sharing, spans in (("fifo", [1.0, 2.0]), ("shared", [2.0, 2.0])):
        link = KvLink(1.0, 1000.0, 100.0, sharing=sharing)  # type: ignore[arg-type]
        run = run_pd(
            PdConfig(PrefillPool(2, model), DecodePool(1, model), link),
            Stream.of([0.0] * 2, [100] * 2, [2] * 2),
        )
        assert run.transfer_s == pytest.approx(spans)


def test_pipeline_is_a_chain_of_stages() -> None:
    """Four equal prompts of 1 s through two stages: the first ends at 1 s, one more every half second."""
    pool = PrefillPool(1, ONE_MS_A_TOKEN, discipline="one_at_a_time", pipeline_stages=2)
    run = run_pd(PdConfig(pool, DecodePool(1, ONE_MS_A_TOKEN)), Stream.of([0.0] * 4, [1000] * 4, [1] * 4))
    assert run.queue_s + run.prefill_s == pytest.approx([1.0, 1.5, 2.0, 2.5])


def test_cached_tokens_are_not_computed() -> None:
    quadratic = dataclasses.replace(HAND, prefill=PrefillFit(0.010, 1e-4, 1e-8))
    run = run_pd(
        PdConfig(PrefillPool(1, quadratic), DecodePool(1, HAND)),
        Stream.of([0.0], [1000], [1], cached_tokens=[600]),
    )
    assert run.prefill_s[0] == pytest.approx(0.010 + 0.040 + 1e-8 * (1000**2 - 600**2))


def test_tokens_per_step_by_hand() -> None:
    """Ten tokens, four a step: three steps, the first of which brings the first token."""
    flat = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(0.02, 0.0),), (1, 1e5), (1, 64), "flat")
    config = PdConfig(PrefillPool(1, flat), DecodePool(1, flat, tokens_per_step=4.0))
    run = run_pd(config, Stream.of([0.0], [100], [10]))
    assert run.tpot_s[0] == pytest.approx(0.04 / 9)


def test_chunks_and_decodes_share_steps_by_hand() -> None:
    """A decodes; B (250 tokens) comes: two chunks of 99 beside one decode, then 52; A sees all three."""
    model = Fitted(PrefillFit(0.0, 1e-4), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 64), "by hand")
    run = run_colocated(
        ColocatedConfig(1, model, batch_tokens=100), Stream.of([0.0, 0.0005], [10, 250], [50, 2])
    )
    assert run.ttft_s[0] == pytest.approx(0.001)
    assert run.ttft_s[1] == pytest.approx(0.001 + 3 * 0.01 + 250e-4 - 0.0005)
    assert run.itl_worst_s[0] == pytest.approx(0.01 + 99e-4)
    first = run_colocated(
        ColocatedConfig(1, model, batch_tokens=100, discipline="prefill_first"),
        Stream.of([0.0, 0.0005], [10, 250], [50, 2]),
    )
    assert first.ttft_s[1] == pytest.approx(0.001 + 0.025 - 0.0005)
    assert first.itl_worst_s[0] == pytest.approx(0.025 + 0.01)


def test_nothing_is_lost_and_integrals_obey_little() -> None:
    stream = lognormal_stream(5000, 30.0, seed=1)
    config = PdConfig(PrefillPool(2, MODEL), DecodePool(2, MODEL, memory=KvMemory(30_000)), KvLink(1e4, 1e9))
    run = run_pd(config, stream)
    assert run.completed.all()
    assert run.itl_count.sum() == stream.output_tokens.sum() - len(stream)
    assert run.decode.tokens.sum() == stream.output_tokens.sum()
    assert run.prefill is not None
    assert run.prefill.tokens.sum() == stream.prompt_tokens.sum()
    in_batch = run.end_s - run.arrival_s - run.queue_s - run.prefill_s - run.transfer_s - run.admission_s
    assert run.decode.batch_s.sum() == pytest.approx(in_batch.sum())
    assert (run.batch_s * np.arange(run.batch_s.size)).sum() == pytest.approx(in_batch.sum())
    held = stream.prompt_tokens * (run.prefill_s + run.transfer_s)
    assert run.prefill.kv_token_s.sum() >= held.sum() * 0.999
    assert (run.decode.kv_peak_tokens <= 30_000).all()
    assert (run.decode.kv_token_s > run.decode.context_token_s).all()


def test_lost_requests_are_counted() -> None:
    stream = lognormal_stream(3000, 80.0, seed=2)
    pool = PrefillPool(1, MODEL, discipline="one_at_a_time", queue_limit=5, patience_s=0.05)
    run = run_pd(PdConfig(pool, DecodePool(1, MODEL)), stream)
    counts = np.bincount(run.status, minlength=3)
    assert run.prefill is not None
    assert counts[1] == run.prefill.rejected.sum() > 100
    assert counts[2] == run.prefill.timed_out.sum() > 100
    assert run.queue_s[run.completed].max() <= 0.05
    assert (run.ttft_s[~run.completed] == 0).all()
    for name in ("queue_s", "prefill_s", "transfer_s", "ttft_s", "tpot_s", "itl_worst_s", "end_s"):
        assert np.isfinite(getattr(run, name)).all()


def test_closed_loop_keeps_its_concurrency() -> None:
    """Five users without thinking: always five requests in the house, so X R = 5 (Little)."""
    stream = Stream.of([], np.full(4000, 200), np.full(4000, 40), users=5)
    for run in (
        run_pd(PdConfig(PrefillPool(1, MODEL), DecodePool(1, MODEL)), stream),
        run_colocated(ColocatedConfig(1, MODEL), stream),
    ):
        response = (run.end_s - run.arrival_s).mean()
        assert 4000 / run.until_s * response == pytest.approx(5.0, rel=2e-3)


@pytest.mark.parametrize(("rho", "seed"), [(0.5, 1), (0.8, 2)])
def test_one_deterministic_server_is_md1(rho: float, seed: int) -> None:
    """Prefill of 100-token prompts, 0.1 s each: 400,000 of them; the interval is from 40 batch means."""
    wait = _prefill_wait(np.full(400_000, 100), rho / 0.1, seed)
    _assert_mean(wait, MD1(arrival_rate=rho / 0.1, service_s=0.1).mean_wait_s)


def test_exponential_lengths_are_mm1() -> None:
    random = np.random.Generator(np.random.Philox(5))
    tokens = np.maximum(1, np.rint(random.exponential(10_000, 400_000)))  # fine grain: 1e-4 of the mean
    wait = _prefill_wait(tokens, 0.07, 6)
    _assert_mean(wait, MM1(arrival_rate=0.07, service_s=10.0).mean_wait_s)


def test_round_robin_of_equal_prompts_is_mdc() -> None:
    wait = _prefill_wait(np.full(1_000_000, 100), 4 * 0.8 / 0.1, 7, instances=4)
    _assert_mean(wait, MDc(arrival_rate=32.0, service_s=0.1, servers=4).mean_wait_s)


def test_least_work_and_shortest_queue_beat_random() -> None:
    random = np.random.Generator(np.random.Philox(5))
    tokens = np.maximum(1, np.rint(random.lognormal(4.0, 1.0, 100_000)))
    rate = 4 * 0.85 / (float(tokens.mean()) * 1e-3)
    mean = {
        r: float(_prefill_wait(tokens, rate, 8, 4, r).mean())
        for r in ("random", "power_of_two", "jsq", "least_work")
    }
    assert mean["least_work"] < mean["jsq"] < mean["power_of_two"] < mean["random"]


def _prefill_wait(
    tokens: np.ndarray, rate: float, seed: int, instances: int = 1, router: str = "round_robin"
):  # type: ignore[no-untyped-def]
    arrivals = np.cumsum(np.random.Generator(np.random.Philox(seed)).exponential(1 / rate, tokens.size))
    pool = PrefillPool(instances, ONE_MS_A_TOKEN, router=router, discipline="one_at_a_time")  # type: ignore[arg-type]
    decode = DecodePool(1, ONE_MS_A_TOKEN, max_batch=4096)
    return run_pd(PdConfig(pool, decode), Stream.of(arrivals, tokens, np.ones(tokens.size))).queue_s


def _assert_mean(sample: np.ndarray, mean: float) -> None:
    """The 99.9% interval of batch means holds the law, and is narrower than 6%."""
    batches = sample[len(sample) // 20 :]
    batches = batches[: len(batches) // 40 * 40].reshape(40, -1).mean(axis=1)
    half = 3.56 * batches.std(ddof=1) / np.sqrt(40)
    assert half < 0.06 * mean
    assert abs(batches.mean() - mean) < half


def test_warm_up_is_left_out_of_sums() -> None:
    stream = lognormal_stream(2000, 30.0, seed=9)
    config = PdConfig(PrefillPool(2, MODEL), DecodePool(2, MODEL))
    whole, late = run_pd(config, stream), run_pd(config, stream, recording=Recording(from_s=30.0))
    assert np.array_equal(whole.ttft_s, late.ttft_s)
    share = (late.until_s - 30.0) / late.until_s
    assert late.decode.busy_s / whole.decode.busy_s == pytest.approx(share, rel=0.1)
    assert late.itl_count.sum() < whole.itl_count.sum()


def test_streams_merge_in_order_with_their_classes() -> None:
    a, b = lognormal_stream(50, 10.0, seed=1), lognormal_stream(70, 10.0, seed=2)
    both = merged([a, b])
    assert np.all(np.diff(both.arrival_s) >= 0)
    assert np.bincount(both.class_id).tolist() == [50, 70]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (lambda: Stream.of([0.0], [0], [1]), "prompt_tokens of request 0 is 0"),
        (lambda: Stream.of([0.0], [1.5], [1]), "whole number"),
        (lambda: Stream.of([-1.0], [1], [1]), "arrival_s of request 0"),
        (lambda: Stream.of([0.0, 1.0], [1], [1]), "one each"),
        (lambda: Stream.of([], [], []), "no requests"),
        (lambda: PrefillPool(0, MODEL), "instances is 0"),
        (lambda: PrefillPool(1, MODEL, router="jqs"), "did you mean jsq"),  # type: ignore[arg-type]
        (lambda: DecodePool(1, MODEL, tokens_per_step=0.5), "tokens_per_step is 0.5"),
        (lambda: KvMemory(0.0), "capacity_tokens is 0"),
        (
            lambda: run_pd(
                PdConfig(PrefillPool(1, MODEL, kv_capacity_tokens=10), DecodePool(1, MODEL)),
                Stream.of([0.0], [11], [1]),
            ),
            "a prompt has 11 tokens",
        ),
        (
            lambda: run_colocated(
                ColocatedConfig(1, MODEL, memory=KvMemory(160)), Stream.of([0.0], [100], [100])
            ),
            "grows to 200 tokens",
        ),
    ],
)
def test_bad_input_is_one_clear_line(bad, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says):
        bad()


def test_what_is_not_modelled_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="overlap needs mode push"):
        KvLink(overlap=0.5)
    with pytest.raises(UnsupportedError, match="patience"):
        run_pd(
            PdConfig(PrefillPool(1, MODEL, patience_s=1.0), DecodePool(1, MODEL)),
            Stream.of([], [1], [1], users=1),
        )
