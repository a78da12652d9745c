"""AIPerf, genai-perf, GuideLLM and inference-perf: small files typed here."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pdplan.errors import InputError
from pdplan.interop.benchmarks import read_measurements
from pdplan.latency.measured import Measurements, ServedRequest, Spread


def read(value: Any) -> Measurements:
    text = value if isinstance(value, str) else json.dumps(value)
    return read_measurements(io.BytesIO(text.encode()))


def block(unit: str, avg: float, **more: float) -> dict[str, Any]:
    return {"unit": unit, "avg": avg, **more}


# (2100 - 100)/100 = 20 ms
METRICS: dict[str, Any] = {
    "request_throughput": block("requests/sec", 2.0),
    "request_count": block("requests", 10.0),
    "request_latency": block("ms", 2100.0, p50=2000.0, sum=21000.0),
    "time_to_first_token": block("ms", 100.0, p50=90.0, p90=150.0, p99=200.0),
    "inter_token_latency": block("ms", 20.0, p50=19.0),
    "output_sequence_length": block("tokens", 101.0),
    "input_sequence_length": block("tokens", 1000.0),
}
AIPERF = {**METRICS, "aiperf_version": "0.9", "benchmark_duration": block("sec", 5.0)}
RECORD: dict[str, Any] = {
    "metadata": {"request_start_ns": 5_000_000_000, "benchmark_phase": "profiling", "was_cancelled": False},
    "metrics": {
        "time_to_first_token": {"value": 100.0, "unit": "ms"},
        "request_latency": {"value": 2.1, "unit": "sec"},
        "input_sequence_length": {"value": 1000, "unit": "tokens"},
        "output_sequence_length": {"value": 101, "unit": "tokens"},
    },
    "error": None,
}
CSV = """Metric,avg,min,max,p50,p90,p99
Time to First Token (ms),100.0,80,300,90,150,200
Request Latency (ms),"2,100.0",1000,3000,2000,2500,2900
Inter Token Latency (ms),20.0,10,30,19,25,29
Output Sequence Length (tokens),101,101,101,101,101,101
Input Sequence Length (tokens),1000,1000,1000,1000,1000,1000

Metric,Value
Request Throughput (requests/sec),2.0
Request Count (requests),10
"""


@pytest.mark.parametrize("source", [AIPERF, METRICS, CSV], ids=["aiperf", "genai-perf", "csv"])
def test_metrics(source: Any) -> None:
    found = read(source)
    (run,) = found.runs
    assert (run.requests, run.prompt_tokens, run.output_tokens, run.duration_s) == (10, 1000, 101, 5)
    assert run.ttft == Spread(0.1, 0.09, 0.15, p99=0.2)
    assert (run.tpot.mean, run.tpot.p50) == (0.02, 0.019)
    assert run.itl == Spread()
    assert run.e2e.mean == pytest.approx(2.1)
    assert any("read as TPOT" in c for c in found.corrections)


def test_units_are_those_that_the_file_names() -> None:
    seconds = {**AIPERF, "time_to_first_token": block("sec", 0.1)}
    assert read(seconds).runs[0].ttft.mean == 0.1
    with pytest.raises(InputError, match="time_to_first_token is in 'hours'"):
        read({**AIPERF, "time_to_first_token": block("hours", 0.1)})


@pytest.mark.parametrize(
    ("config", "load"),
    [
        ({"loadgen": {"concurrency": 4}}, (None, 4)),
        ({"loadgen": {"request_rate": 2.0}}, (2.0, None)),
        ({"concurrency": 4, "request_rate": 9.0}, (None, 4)),  # 2/s x 2.1 s = 4.2 in flight: the limit is met
    ],
)
def test_load_from_the_config(config: dict[str, Any], load: tuple[Any, Any]) -> None:
    run = read({**AIPERF, "input_config": {**config, "model_names": ["m"]}}).runs[0]
    assert (run.request_rate, run.concurrency) == load


def test_failures_and_cancelled_runs() -> None:
    found = read({**AIPERF, "was_cancelled": True, "error_summary": [{"count": 3}, {"count": 2}]})
    assert found.runs[0].failed == 5
    assert any("cancelled" in c for c in found.corrections)
    assert read({**AIPERF, "error_request_count": block("requests", 4.0)}).runs[0].failed == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request_count": block("requests", 20.0)}, "the sum of latencies is that of 10 requests"),
        ({"request_count": block("requests", 0.0)}, "no request was answered"),
        ({"input_sequence_length": None}, "no input_sequence_length"),
        ({"output_sequence_length": block("tokens", -1.0)}, "avg is '-1.0'"),
    ],
)
def test_reports_that_are_not_whole(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read({**AIPERF, **change})


def test_a_tpot_that_does_not_fit_is_said() -> None:
    found = read({**AIPERF, "inter_token_latency": block("ms", 40.0)})
    assert any("Mean TPOT is 40 ms, but mean e2e, TTFT and tokens give 20 ms" in c for c in found.corrections)


def test_csv_refusals() -> None:
    with pytest.raises(InputError, match=r":3: 2 cells under 7 columns"):
        read(CSV.replace('"2,100.0",1000,3000,2000,2500,2900', "5"))
    with pytest.raises(InputError, match=r":4: p50 is 'x', no number"):
        read(CSV.replace("30,19", "30,x"))
    with pytest.raises(InputError, match="no request_count"):
        read(CSV.replace("Request Count (requests),10\n", ""))


def test_aiperf_records() -> None:
    later = json.loads(json.dumps(RECORD))
    later["metadata"]["request_start_ns"] = 7_000_000_000
    failed = {**RECORD, "error": {"code": 500}}
    warm = {**RECORD, "metadata": {"benchmark_phase": "warmup"}}
    found = read("\n".join(map(json.dumps, [later, RECORD, failed, warm])))
    (run,) = found.runs
    assert run.served == (ServedRequest(0, 1000, 101, 0.1, 2.1), ServedRequest(2, 1000, 101, 0.1, 2.1))
    assert (run.failed, run.duration_s, run.request_rate) == (1, pytest.approx(4.1), pytest.approx(0.5))
    assert run.tpot.mean == pytest.approx(0.02)
    assert any("1 request of the warm-up" in c for c in found.corrections)
    with pytest.raises(InputError, match=r"no request was answered \(1 failed\)"):
        read(failed)
    with pytest.raises(InputError, match="no request_latency"):
        read({**RECORD, "metrics": {k: v for k, v in RECORD["metrics"].items() if k != "request_latency"}})


def guide(mean: float, count: int = 20, std_dev: float = 0.0, **percentiles: float) -> dict[str, Any]:
    return {
        "successful": {"mean": mean, "count": count, "std_dev": std_dev, "percentiles": percentiles},
    }


def guidellm(strategy: dict[str, Any], **change: Any) -> dict[str, Any]:
    metrics = {
        "request_totals": {"successful": 20, "errored": 3, "incomplete": 1, "total": 24},
        "requests_per_second": guide(2.0),
        "request_latency": guide(2.1, p50=2.0),
        "prompt_token_count": guide(1000),
        "output_token_count": guide(101),
        "time_to_first_token_ms": guide(100.0, p50=90.0),
        "time_per_output_token_ms": guide(20.8),
        "inter_token_latency_ms": guide(20.0, p50=19.0),
        **change,
    }
    benchmark = {"config": {"strategy": strategy}, "metrics": metrics, "duration": 10.0}
    return {"metadata": {"guidellm_version": "0.8"}, "benchmarks": [benchmark]}


@pytest.mark.parametrize(
    ("strategy", "load"),
    [
        ({"type_": "poisson", "rate": 2.0, "max_concurrency": 10240}, (2.0, None)),
        ({"type_": "concurrent", "streams": 4}, (None, 4)),
        ({"type_": "synchronous"}, (None, 1)),
        ({"type_": "throughput", "max_concurrency": 8}, (None, 8)),
    ],
)
def test_guidellm(strategy: dict[str, Any], load: tuple[Any, Any]) -> None:
    (run,) = read(guidellm(strategy)).runs
    assert (run.request_rate, run.concurrency, run.failed, run.requests) == (*load, 3, 20)
    assert (run.e2e.mean, run.ttft.mean) == (2.1, 0.1)  # s; 100 ms
    assert run.tpot == Spread(0.02, 0.019)
    assert run.itl == Spread(0.02)


def test_guidellm_of_mixed_length_keeps_the_mean() -> None:
    found = read(guidellm({"type_": "synchronous"}, output_token_count=guide(101, std_dev=5.0)))
    assert found.runs[0].tpot == Spread(0.02)
    assert any("weighted by tokens" in c for c in found.corrections)


def test_guidellm_refusals() -> None:
    with pytest.raises(InputError, match="benchmark 1: no request_latency"):
        read(guidellm({"type_": "synchronous"}, request_latency=None))
    with pytest.raises(InputError, match="no request was answered"):
        read(guidellm({"type_": "synchronous"}, request_totals={"successful": 0}))


def inference_perf(tpot_s: float) -> dict[str, Any]:
    latency = {
        "request_latency": {"mean": 2.1, "median": 2.0, "p99": 3.0},
        "time_to_first_token": {"mean": 0.1, "median": 0.09},
        "time_per_output_token": {"mean": tpot_s, "median": tpot_s},
        "inter_token_latency": {"mean": tpot_s, "median": 1e-5},
    }
    done = {
        "count": 20,
        "latency": latency,
        "throughput": {"requests_per_sec": 2.0},
        "prompt_len": {"mean": 1000},
        "output_len": {"mean": 101},
    }
    return {"load_summary": {"requested_rate": 2.0}, "successes": done, "failures": {"count": 3}}


def test_inference_perf() -> None:
    found = read(inference_perf(0.01))  # two pieces for each token of (2.1 - 0.1)/100 = 20 ms
    (run,) = found.runs
    assert (run.tpot, run.itl) == (Spread(pytest.approx(0.02)), Spread(pytest.approx(0.02)))
    assert (run.failed, run.request_rate, run.e2e.p50) == (3, 2.0, 2.0)
    assert any("counts 2 pieces for each token" in c for c in found.corrections)
    whole = read(inference_perf(0.0201)).runs[0]
    assert whole.tpot == Spread(0.0201, 0.0201)
    with pytest.raises(InputError, match="no successes"):
        read({**inference_perf(0.02), "successes": None})
