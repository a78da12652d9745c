"""Every sample of ../shared/data/formats, read to hand-checked values in SI."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdplan.errors import InputError
from pdplan.interop.benchmarks import READERS, read_measurements
from pdplan.interop.benchmarks.document import open_document
from pdplan.latency.measured import Measurements, ServedRequest, ServingRun, Spread

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="samples are not here")


def formats(name: str) -> Measurements:
    return read_measurements(DATA / "formats" / name)


def only_run(name: str) -> ServingRun:
    (run,) = formats(name).runs
    return run


def close(*values: float | None) -> tuple[object, ...]:
    return tuple(None if v is None else pytest.approx(v, rel=1e-6) for v in values)


def parts(spread: Spread) -> tuple[float | None, ...]:
    return spread.mean, spread.p50, spread.p90, spread.p95, spread.p99


def test_vllm_summary() -> None:
    found = formats("vllm_bench_serve.json")
    assert (found.model, found.engine) == ("meta-llama/Llama-3.1-8B-Instruct", "vllm")
    (run,) = found.runs
    assert (run.requests, run.failed, run.request_rate, run.concurrency) == (4, 0, 2.0, None)
    assert (run.prompt_tokens, run.output_tokens) == (1024, 64)  # 4096/4, 256/4
    assert (run.duration_s, run.throughput) == (2.61, 1.532567)
    assert parts(run.ttft) == close(0.1419, 0.1376, None, None, 0.1719)
    assert parts(run.tpot) == close(0.01906, 0.01896, None, None, 0.01973)
    assert parts(run.itl) == close(0.01906, 0.01921, None, None, 0.02138)
    assert parts(run.e2e) == close(1.3427, 1.338, None, None, 1.39)
    assert run.label == "1p1d_1024x64_rate2"


def test_vllm_detailed() -> None:
    run = only_run("vllm_bench_serve_detailed.json")
    # TTFT 131, 137.6, 171.9, 127.1 ms; gaps of 19, 19, 19.2 and 18.9 ms, 63 each
    assert run.ttft.mean == pytest.approx((0.131 + 0.1376 + 0.1719 + 0.1271) / 4)
    assert run.ttft.p50 == pytest.approx((0.131 + 0.1376) / 2)
    assert run.tpot.mean == pytest.approx((0.019 + 0.019 + 0.0192 + 0.0189) / 4)
    assert run.itl.p99 == pytest.approx(0.0192)
    assert [r.sent_s for r in run.served] == pytest.approx([0.0, 0.41, 1.12, 1.44])
    assert run.served[2] == ServedRequest(
        pytest.approx(1.12), 1024, 64, 0.1719, pytest.approx(0.1719 + 63 * 0.0192)
    )
    assert run.e2e.mean == pytest.approx(run.ttft.mean + 63 * run.tpot.mean)


def test_vllm_at_infinite_rate() -> None:
    found = formats("vllm_bench_serve_inf.json")
    run = found.runs[0]
    assert (run.request_rate, run.concurrency, run.requests) == (None, 32, 4)
    assert any("never held" in c for c in found.corrections)  # 4 requests cannot hold 32


def test_sglang_new_and_old() -> None:
    found = formats("sglang_bench_serving.jsonl")
    first, second = found.runs
    assert (first.request_rate, second.request_rate) == (4.0, 8.0)
    assert (first.prompt_tokens, first.output_tokens, first.requests) == (2048, 512, 200)
    assert parts(first.ttft) == close(0.31, 0.25, 0.52, 0.61, 0.7209)
    assert parts(first.tpot) == close(0.0185, 0.0184, 0.0199, 0.0204, 0.0212)
    assert parts(first.itl) == close(0.0185, 0.0179, 0.022, 0.029, 0.041)
    assert parts(first.e2e) == close(9.8, 9.7, 10.9, 11.2, 11.8)
    assert parts(second.ttft) == close(0.98, 0.9, 0.52, 0.61, 2.1)
    text = " ".join(found.corrections)
    assert "Percentiles of TTFT fall (p90 < p50)" in text
    assert "request_throughput is 7.4/s, but 200 requests in 51.2 s are 3.906/s" in text
    assert "Mean TPOT is 24 ms, but mean e2e, TTFT and tokens give 17.26 ms" in text  # (9800 - 980)/511
    old = only_run("sglang_bench_serving_v0.4_old.jsonl")
    assert parts(old.ttft) == close(0.31, 0.25, None, None, 0.7209)
    assert old.throughput == 3.906


@pytest.mark.parametrize(
    ("name", "duration_s"),
    [
        ("profile_export_aiperf.json", 52.45),
        ("profile_export_aiperf.csv", 200 / 3.81),
        ("profile_export_genai_perf.json", 200 / 3.81),
    ],
)
def test_aiperf_and_genai_perf(name: str, duration_s: float) -> None:
    found = formats(name)
    (run,) = found.runs
    assert (run.requests, run.prompt_tokens, run.output_tokens, run.throughput) == (200, 1024, 64, 3.81)
    assert run.duration_s == pytest.approx(duration_s)
    assert parts(run.ttft) == close(0.14235, 0.13367, 0.210086, 0.227387, 0.24716)
    # theirs is (2729.6 - 142.35)/63 = 41.067 ms for each request: TPOT, not a gap
    assert parts(run.tpot) == close(0.04107, 0.04098, 0.040316, 0.043636, 0.04743)
    assert run.itl == Spread()
    assert parts(run.e2e) == close(2.7296, 2.7067, 2.689655, 2.911156, 3.1643)
    assert any("Percentiles of e2e fall" in c for c in found.corrections)


def test_aiperf_records() -> None:
    run = only_run("profile_export_aiperf_records.jsonl")
    assert run.served == (ServedRequest(0.0, 1024, 64, pytest.approx(0.13367), pytest.approx(2.7154)),)
    assert run.tpot.mean == pytest.approx((2.7154 - 0.13367) / 63)


def test_guidellm() -> None:
    found = formats("guidellm_benchmarks_v0.8.REAL_mock_engine.json")
    assert (found.tool, found.model) == ("GuideLLM 0.8.0.dev18", "e2e-mock-model")
    first, second = found.runs
    assert (first.request_rate, second.request_rate, first.requests) == (2.0, 4.0, 2)
    assert (first.prompt_tokens, first.output_tokens) == (71.5, 8.0)
    assert first.e2e.mean == pytest.approx(0.01978909969)  # already in s
    assert first.ttft.mean == pytest.approx(0.011481165886)  # 11.48 ms
    # 1.1508 ms between tokens; its "time per output token", 2.4421 ms = e2e/8, includes TTFT
    assert first.tpot.mean == first.itl.mean == pytest.approx(0.00115084648)
    assert first.tpot.mean == pytest.approx((0.0197891 - 0.0114812) / 7, rel=0.05)
    assert second.ttft.p99 == pytest.approx(0.0101478099)
    assert first.duration_s == pytest.approx(5.019648)


def test_inference_perf_counts_pieces() -> None:
    found = formats("inference_perf_stage_3_lifecycle_metrics.REAL.json")
    (run,) = found.runs
    assert (run.requests, run.failed, run.request_rate) == (6715, 0, 111.92)
    assert run.duration_s == pytest.approx(6715 / 110.75951840525863)
    assert parts(run.ttft) == close(0.14623385538, 0.10548265290, 0.30014646060, 0.34523959847, 0.39746013902)
    # (1.697948 - 0.146234)/(62.8003 - 1) = 25.11 ms; the file says 12.02 ms
    assert parts(run.tpot) == close(0.0251085264, None, None, None, None)
    assert run.itl.p50 is None
    assert run.e2e.p99 == pytest.approx(2.056480849)
    assert any("2.1 pieces for each token" in c for c in found.corrections)
    total = formats("inference_perf_summary_lifecycle_metrics.REAL.json")
    assert total.runs[0].request_rate is None
    assert total.runs[0].tpot.mean == pytest.approx((3.014152930 - 1.543453612) / 61.8230288073)
    assert any("mixes all stages" in c for c in total.corrections)


def test_inferencex() -> None:
    found = formats("inferencex_raw_result.REAL.json")
    (run,) = found.runs
    assert found.model == "zai-org/GLM-5-FP8"
    assert (run.requests, run.concurrency, run.request_rate) == (160, 16, None)
    assert (run.prompt_tokens, run.output_tokens) == (10240, 128)
    assert parts(run.ttft) == close(None, 3.1382447043, None, None, 16.561809691)  # s, without a suffix
    assert parts(run.tpot) == close(None, 0.14105192437, None, None, 0.19622919723)
    assert run.e2e.p50 == pytest.approx(21.447947701)
    assert any("0.9" in c for c in found.corrections)


def test_llmperf() -> None:
    run = only_run("llmperf_summary.json")
    assert (run.requests, run.failed, run.concurrency) == (100, 0, 4)
    assert (run.prompt_tokens, run.output_tokens) == (550.1, 149.8)
    assert run.throughput == pytest.approx(78.5 / 60)
    # (3.05 - 0.142)/148.8; the file's 19.5 ms is e2e over tokens
    assert parts(run.tpot) == close(2.908 / 148.8, None, None, None, None)
    assert parts(run.ttft) == close(0.142, 0.137, 0.2223, 0.23465, 0.247)
    assert parts(run.e2e) == close(3.05, 3.01, 3.24, 3.42, 3.6)
    single = only_run("llmperf_individual_responses.json")
    assert single.served == (ServedRequest(None, 550, 150, 0.137, 3.05),)
    assert single.tpot.mean == pytest.approx(2.913 / 149)


def test_each_sample_has_one_reader() -> None:
    files = [*(DATA / "formats").iterdir(), *(DATA / "measured").glob("*.csv"), *DATA.rglob("*.npz")]
    assert len(files) > 20
    for path in files:
        document = open_document(path)
        assert sum(reader.recognise(document) for reader in READERS) == 1, path.name


def test_traces_and_model_configs_are_not_measurements() -> None:
    others = [*(DATA / "traces").iterdir(), *(DATA / "hf_configs").glob("*.json")]
    for path in others:
        with pytest.raises(InputError, match="understood: "):
            read_measurements(path)
