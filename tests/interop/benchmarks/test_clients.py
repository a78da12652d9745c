"""vLLM's, SGLang's and InferenceX's clients: one object for each run, with or without the requests."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from pdplan.errors import InputError
from pdplan.interop.benchmarks import read_measurements
from pdplan.interop.benchmarks.offered import arrival_rate, offered_load
from pdplan.latency.measured import Measurements, Spread

VLLM: dict[str, Any] = {
    "model_id": "m",
    "backend": "vllm",
    "num_prompts": 12,
    "request_rate": 2.0,
    "max_concurrency": None,
    "duration": 5.0,
    "completed": 10,
    "total_input_tokens": 10000,
    "total_output_tokens": 1010,
    "request_throughput": 2.0,
    "mean_ttft_ms": 100.0,
    "median_ttft_ms": 90.0,
    "p99_ttft_ms": 200.0,
    "mean_tpot_ms": 20.0,
    "median_tpot_ms": 19.0,
    "p99_tpot_ms": 30.0,
}
SGLANG: dict[str, Any] = {
    "backend": "sglang",
    "request_rate": 4.0,
    "max_concurrency": None,
    "duration": 5.0,
    "completed": 10,
    "total_input_tokens": 10000,
    "total_output_tokens": 1010,
    "total_output_tokens_retokenized": 1009,
    "request_throughput": 2.0,
    "mean_e2e_latency_ms": 2100.0,
    "mean_ttft_ms": 100.0,
    "median_ttft_ms": 90.0,
    "mean_tpot_ms": 20.0,
}
INFERENCEX: dict[str, Any] = {
    "model_id": "m",
    "request_rate": "inf",
    "max_concurrency": 4,
    "duration": 5.0,
    "completed": 10,
    "total_input_tokens": 9216,
    "total_output_tokens": 9200,
    "request_throughput": 2.0,
    "median_ttft": 0.3,
    "p99_ttft": 0.5,
    "median_tpot": 0.02,
}
# two answered and one failed; e2e 0.1 + 0.02 + 0.03 = 0.15 s, TPOT 0.05/2; e2e 0.3 s, one token
ARRAYS: dict[str, Any] = {
    "completed": 2,
    "total_input_tokens": 60,
    "total_output_tokens": 4,
    "input_lens": [10, 50, 70],
    "output_lens": [3, 1, 0],
    "ttfts": [0.1, 0.3, 0.0],
    "itls": [[0.02, 0.03], [], []],
    "errors": ["", "", "timed out"],
    "start_times": [7.5, 7.0, 8.0],
}


def read(*values: dict[str, Any], between: str = "\n", **select: str) -> Measurements:
    return read_measurements(io.BytesIO(between.join(map(json.dumps, values)).encode()), select)


def test_vllm_summary() -> None:
    found = read(VLLM)
    (run,) = found.runs
    assert found.model == "m"
    assert (run.requests, run.failed) == (10, 2)  # an old client without "failed": 12 sent
    assert (run.prompt_tokens, run.output_tokens) == (1000, 101)
    assert (run.ttft, run.tpot) == (Spread(0.1, 0.09, p99=0.2), Spread(0.02, 0.019, p99=0.03))
    assert run.itl == run.e2e == Spread()
    assert run.tp is None


@pytest.mark.parametrize("between", ["\n", "", "\n\n  ", "\r\n"])
def test_objects_one_after_another(between: str) -> None:
    runs = read(VLLM, {**VLLM, "request_rate": 8.0}, between=between).runs
    assert [run.request_rate for run in runs] == [2.0, 8.0]


def test_an_array_of_objects_and_gzip() -> None:
    data = json.dumps([VLLM, VLLM]).encode()
    assert len(read_measurements(io.BytesIO(data)).runs) == 2
    assert len(read_measurements(io.BytesIO(gzip.compress(data))).runs) == 2
    with pytest.raises(InputError, match="gzip that cannot be unpacked"):
        read_measurements(io.BytesIO(gzip.compress(data)[:-9]))


def test_detailed_requests() -> None:
    found = read({**VLLM, **ARRAYS})
    (run,) = found.runs
    assert [r.sent_s for r in run.served] == [0.5, 0.0]
    assert [r.e2e_s for r in run.served] == pytest.approx([0.15, 0.3])
    assert run.tpot == Spread(*[pytest.approx(0.025)] * 5)  # the answer of one token has none
    assert run.itl.mean == pytest.approx(0.025)
    assert run.ttft.mean == pytest.approx(0.2)
    assert run.ttft.p90 == pytest.approx(0.1 + 0.9 * 0.2)
    text = " ".join(found.corrections)
    assert "1 request with one output token: no TPOT" in text
    assert "Mean TTFT is 100 ms in the summary and 200 ms over the requests" in text


def test_pieces_of_several_tokens_have_no_itl() -> None:
    found = read({**VLLM, **ARRAYS, "output_lens": [5, 1, 0]})
    assert found.runs[0].itl == Spread()
    assert found.runs[0].tpot.mean == pytest.approx(0.05 / 4)
    assert any("several tokens in one piece" in c for c in found.corrections)


def test_answers_that_did_not_stream_are_left_out() -> None:
    found = read({**VLLM, **ARRAYS, "ttfts": [0.1, 0.0, 0.0]})
    assert len(found.runs[0].served) == 1
    assert any("1 answer did not stream" in c for c in found.corrections)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ttfts": [0.1, 0.3]}, "different lengths .*ttfts 2"),
        ({"ttfts": [-0.1, 0.3, 0.0]}, "request 0: ttft is -0.1"),
        ({"itls": [[0.02, None], [], []]}, "a gap in itls is None"),
        ({"itls": [3, [], []]}, "not a list of gaps"),
        ({"output_lens": [2.5, 1, 0]}, "output_lens is 2.5: it must be a whole number"),
        ({"completed": 0}, "no request was answered"),
        ({"completed": 1.5}, "completed is 1.5"),
        ({"completed": True}, "completed is 'True'"),
        ({"duration": -5.0}, "duration is '-5.0': it must be a finite number of at least 0"),
        ({"duration": float("nan")}, "duration is 'nan'"),
        ({"total_input_tokens": None}, "total_input_tokens is 'None'"),
        ({"request_rate": -1}, "request_rate is '-1'"),
        ({"request_rate": "fast"}, "request_rate is 'fast'"),
    ],
)
def test_broken_values_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read({**VLLM, **ARRAYS, **change})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "0.1", [1]])
def test_impossible_statistics_are_left_out_and_said(value: Any) -> None:
    found = read({**VLLM, "p99_ttft_ms": value})
    assert found.runs[0].ttft.p99 is None
    assert any(c.startswith("p99 of TTFT is") for c in found.corrections)


def test_percentiles_of_the_command_line() -> None:
    assert read({**VLLM, "p50_ttft_ms": 91.0, "p90_ttft_ms": 150.0}).runs[0].ttft == Spread(
        0.1, 0.091, 0.15, p99=0.2
    )


def test_degree_of_parallelism_from_metadata() -> None:
    run = read({**VLLM, "tensor_parallel_size": "8", "tag": "tuned"}).runs[0]
    assert (run.tp, run.label) == (8, "tuned")


def test_two_models_in_one_file() -> None:
    other = {**VLLM, "model_id": "n"}
    with pytest.raises(InputError, match=r"holds 2 systems: choose one with select: model=m.*model=n"):
        read(VLLM, other)
    assert read(VLLM, other, model="N").model == "n"
    with pytest.raises(InputError, match="model=x matches none"):
        read(VLLM, other, model="x")
    with pytest.raises(InputError, match="not a key; did you mean model"):
        read(VLLM, other, modell="x")


def test_another_object_in_between() -> None:
    with pytest.raises(InputError, match=r":2: not a result of vllm bench serve"):
        read(VLLM, {"x": 1})


def test_ramp_has_no_rate() -> None:
    found = read({**VLLM, "ramp_up_strategy": "linear"})
    assert found.runs[0].request_rate is None
    assert any("ramps up (linear)" in c for c in found.corrections)


def test_sglang() -> None:
    info = {"server_info": {"tp_size": 2, "model_path": "q", "version": "0.5"}, "accept_length": 2.5}
    found = read(SGLANG, {**SGLANG, **info, "request_rate": float("inf"), "max_concurrency": 3})
    first, second = found.runs
    assert (first.request_rate, first.concurrency) == (4.0, None)
    assert (second.request_rate, second.concurrency, second.tp) == (None, 3, 2)
    assert first.e2e.mean == 2.1
    assert any(c.startswith("Run 2: Speculative decoding yields 2.5 tokens") for c in found.corrections)
    detailed = read({**SGLANG, **ARRAYS, "errors": None, "start_times": None}).runs[0]
    assert [r.sent_s for r in detailed.served] == [None, None]


def test_inferencex_is_in_seconds() -> None:
    found = read(INFERENCEX)
    (run,) = found.runs
    assert (run.ttft, run.concurrency) == (Spread(p50=0.3, p99=0.5), 4)
    assert run.output_tokens == 920  # of 1024 nominal
    assert any("uses 0.9 of them" in c for c in found.corrections)


def test_a_rate_under_a_limit() -> None:
    said: list[str] = []
    # 2/s x 3 s = 6 in flight, of 64: the rate made the load; 60 of 64: the limit did
    assert offered_load(2.0, 64, 6.0, 100, "", said) == (2.0, None)
    assert offered_load(20.0, 64, 60.0, 100, "", said) == (None, 64)
    assert offered_load(2.0, 1, 5.0, 100, "", said) == (2.0, None)  # five at once under a limit of one
    assert "open benchmark at that rate" in said[0]
    assert "held concurrency" in said[1]
    assert "open benchmark at that rate" in said[2]
    assert offered_load(None, None, None, 100, "", said) == (None, None)
    assert "no steady load" in said[3]


@pytest.mark.parametrize("raw", ["inf", "Infinity", float("inf"), None, "trace"])
def test_no_rate(raw: Any) -> None:
    assert arrival_rate(raw, "f") is None


@pytest.mark.parametrize("raw", [0, -1, float("nan"), "", True, [1]])
def test_impossible_rate(raw: Any) -> None:
    with pytest.raises(InputError, match="must be a number above 0, or inf"):
        arrival_rate(raw, "f")
