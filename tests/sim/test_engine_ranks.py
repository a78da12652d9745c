"""Attention ranks in the engine against a plain loop over steps, by hand, and in limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pdplan.errors import InputError, UnsupportedError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving.rank_wait import RankedPrefill
from pdplan.sim import DecodePool, KvLink, PdConfig, PrefillPool, Stream, run_pd
from pdplan.trust import Trust

#: Decode that takes no time worth the name.
QUICK = Fitted(PrefillFit(0.0, 1e-12), (DecodeFit(1e-9, 0.0),), (1, 1e5), (1, 512), "quick")


@dataclass(frozen=True)
class Plane:
    """A step of 10 ms, and a share for tokens and attention of the slowest rank and for tokens of all."""

    trust: Trust = Trust.APPROXIMATE
    source: str = "example"
    prefill_range: tuple[float, float] = (1.0, 1e5)
    decode_range: tuple[float, float] = (1.0, 512.0)

    def rank_prefill_step_s(self, tokens: Any, squares: Any, together: Any) -> Any:
        return 0.01 + 5e-5 * tokens + 1e-9 * squares + 1e-5 * together

    def prefill_step_s(self, tokens: Any, squares: Any) -> Any:
        return self.rank_prefill_step_s(tokens, squares, tokens)

    def decode_step_s(self, batch: Any, context: Any) -> Any:
        return 0.01 + 0.0 * batch * context

    def mixed_step_s(self, batch: Any, context: Any, chunk: Any, squares: Any) -> Any:
        raise NotImplementedError


def pool(ranks: int = 4, instances: int = 1, **others: Any) -> PrefillPool:
    return PrefillPool(
        instances, Plane(), discipline="chunked", batch_tokens=512 * ranks, ranks=ranks, **others
    )


def ends(arrival: Any, prompt: Any, prefill: PrefillPool, **others: Any) -> Any:
    """Moments at which prefill ends."""
    config = PdConfig(prefill, DecodePool(1, QUICK, max_batch=5000), first_token_from="prefill", **others)
    raw = run_pd(config, Stream.of(np.asarray(arrival, float), prompt, np.full(len(prompt), 1)))
    return raw.arrival_s + raw.ttft_s, raw


def plainly(arrival: list[float], prompt: list[int], ranks: int, budget: int) -> list[float]:
    """Steps of one instance, round robin over its ranks."""
    model, end = Plane(), [0.0] * len(prompt)
    left = [float(n) for n in prompt]
    queues: list[list[int]] = [[] for _ in range(ranks)]
    i, t = 0, 0.0
    while i < len(prompt) or any(queues):
        if not any(queues):
            t = max(t, arrival[i])
        while i < len(prompt) and arrival[i] <= t:
            queues[i % ranks].append(i)
            i += 1
        work, finished, together = [], [], 0.0
        for queue in queues:
            room, tokens, squares = float(budget), 0.0, 0.0
            while queue and room > 0:
                r = queue[0]
                take = min(room, left[r])
                done = prompt[r] - left[r]
                squares += (done + take) ** 2 - done**2
                tokens, room, left[r] = tokens + take, room - take, left[r] - take
                if left[r] > 0:
                    break
                finished.append(queue.pop(0))
            together += tokens
            work.append((tokens, squares))
        t += max(model.rank_prefill_step_s(n, sq, together) for n, sq in work if n > 0)
        for r in finished:
            end[r] = t
    return end


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_engine_is_the_plain_loop(load: float) -> None:
    rng = np.random.default_rng(5)
    prompt = np.maximum(1, rng.lognormal(5.5, 1.0, 600)).astype(int)
    arrival = np.cumsum(rng.exponential(1 / (load * 60.0), 600))
    seen, _ = ends(arrival, prompt, pool())
    assert seen == pytest.approx(plainly(arrival.tolist(), prompt.tolist(), 4, 512), rel=1e-9)


def test_three_prompts_by_hand() -> None:
    # A prompt of 600 starts alone on rank 0, with 512 tokens: 10 + 25.6 + 5.12 ms and 512^2 ns. Two others,
    # of 100 and 50, wait on ranks 1 and 2 for its end and join its last 88. The slowest is then rank 1, with
    # 10 + 5.0 ms and 100^2 ns, and 238 tokens of all take 2.38 ms.
    seen, raw = ends([0.0, 0.0, 0.01], [600, 100, 50], pool())
    first = 0.010 + 0.0256 + 0.00512 + 0.000262144
    second = 0.010 + 0.0050 + 0.00001 + 0.00238
    assert seen.tolist() == pytest.approx([first + second] * 3)
    assert raw.prefill.steps.tolist() == [2]
    assert raw.prefill.tokens.tolist() == [750]
    assert raw.prefill.busy_s.tolist() == pytest.approx([first + second])


def test_instances_are_separate_and_numbered() -> None:
    arrival, prompt = np.arange(40) * 0.02, np.full(40, 300)
    _, raw = ends(arrival, prompt, pool(ranks=4, instances=3))
    assert raw.instance.tolist() == [(i % 12) // 4 for i in range(40)]
    assert raw.prefill.tokens.tolist() == [300 * 16, 300 * 12, 300 * 12]


def test_egress_and_ingress_of_a_rank() -> None:
    # 4 MB over one of 4 egresses of 40 MB/s in all: 0.4 s, all four at once; one of two ingresses of 10 MB/s
    # in all is slower, 0.8 s, and two are under way at a time.
    link = KvLink(4e4, 40e6)
    arrival, prompt = [0.0, 0.001, 0.002, 0.003], [100] * 4
    wide = PdConfig(pool(), DecodePool(1, QUICK), link)
    raw = run_pd(wide, Stream.of(np.array(arrival), np.array(prompt), np.full(4, 2)))
    assert raw.transfer_s == pytest.approx([0.4] * 4)
    narrow = PdConfig(pool(), DecodePool(1, QUICK, ranks=2), KvLink(4e4, 40e6, 10e6))
    raw = run_pd(narrow, Stream.of(np.array(arrival), np.array(prompt), np.full(4, 2)))
    assert sorted(raw.transfer_s)[:2] == pytest.approx([0.8, 0.8], rel=0.03)
    assert sorted(raw.transfer_s)[2:] == pytest.approx([1.6, 1.6], rel=0.05)


def test_one_rank_is_no_rank() -> None:
    rng = np.random.default_rng(1)
    prompt = rng.integers(1, 2000, 200)
    arrival = np.cumsum(rng.exponential(0.2, 200))
    one, _ = ends(arrival, prompt, PrefillPool(2, Plane(), discipline="chunked", batch_tokens=512))
    ranked, _ = ends(arrival, prompt, pool(ranks=1, instances=2))
    assert one.tolist() == ranked.tolist()


def test_pipeline_of_ranks_passes_steps_on() -> None:
    rng = np.random.default_rng(2)
    prompt = rng.integers(1, 900, 300)
    arrival = np.cumsum(rng.exponential(0.01, 300))
    flat, _ = ends(arrival, prompt, pool())
    staged, _ = ends(arrival, prompt, pool(pipeline_stages=2))
    assert (staged - arrival).mean() < (flat - arrival).mean()


def ranked(rate: float, prompt: Any, ranks: int) -> RankedPrefill:
    lengths, count = np.unique(prompt, return_counts=True)
    weight = count / prompt.size
    step = Plane().rank_prefill_step_s
    none = np.zeros(lengths.size)
    return RankedPrefill(rate, lengths.astype(float), none, weight, 512.0 * ranks, ranks, step)


@pytest.mark.slow
def test_law_against_the_engine() -> None:
    rng = np.random.default_rng(7)
    prompt = np.minimum(np.maximum(1, 50 * np.rint(rng.lognormal(1.2, 0.9, 60_000))), 8000).astype(int)
    top = ranked(1.0, prompt, 8).max_rate
    rush = np.cumsum(rng.exponential(1 / (1.5 * top), prompt.size))
    done = np.sort(ends(rush, prompt, pool(8, router="random"))[0])
    assert 40_000 / (done[50_000] - done[10_000]) == pytest.approx(top, rel=0.03)
    for load in (0.4, 0.7):
        law = ranked(load * top, prompt, 8)
        arrival = np.cumsum(rng.exponential(1 / (load * top), prompt.size))
        seen, _ = ends(arrival, prompt, pool(8, router="random"))
        own = law.own_s(law.new_tokens, law.cached)
        assert law.mean_wait_s + float(law.weight @ own) == pytest.approx(
            (seen - arrival)[5000:].mean(), rel=0.15
        )


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"discipline": "batched"}, UnsupportedError, "use chunked"),
        ({"latency": QUICK}, UnsupportedError, "use the roofline"),
        ({"batch_tokens": 3}, InputError, "one at least"),
        ({"ranks": 0}, InputError, "ranks is 0"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], error: type[Exception], says: str) -> None:
    given = {"instances": 1, "latency": Plane(), "discipline": "chunked", "ranks": 4} | change
    with pytest.raises(error, match=says):
        PrefillPool(**given)


def test_nothing_is_lost_on_the_way() -> None:
    rng = np.random.default_rng(3)
    prompt = rng.integers(1, 3000, 500)
    _, raw = ends(np.cumsum(rng.exponential(0.005, 500)), prompt, pool(router="least_work"))
    assert raw.prefill.tokens.sum() == prompt.sum()
    assert np.isfinite(raw.ttft_s).all()
    assert math.isclose(float(raw.prefill.kv_token_s.min()), float(raw.prefill.kv_token_s.max()))
