"""LLMPerf's two files and LLMServingSim's records: small files typed here."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pdplan.errors import InputError
from pdplan.interop.benchmarks import read_measurements
from pdplan.latency.measured import Measurements, ServedRequest, Spread


def read(value: Any) -> Measurements:
    return read_measurements(io.BytesIO(json.dumps(value).encode()))


LLMPERF: dict[str, Any] = {
    "model": "m",
    "num_concurrent_requests": 4,
    "results_num_completed_requests": 20,
    "results_num_completed_requests_per_min": 120.0,
    "results_number_errors": 2,
    "results_number_input_tokens_mean": 1000,
    "results_number_output_tokens_mean": 101,
    "results_ttft_s_mean": 0.1,
    "results_ttft_s_quantiles_p99": 0.2,
    "results_end_to_end_latency_s_mean": 2.1,
    "results_inter_token_latency_s_mean": 2.1 / 101,
}


def test_llmperf_summary() -> None:
    (run,) = read(LLMPERF).runs
    assert (run.tpot.mean, run.concurrency, run.failed) == (pytest.approx(0.02), 4, 2)
    assert (run.throughput, run.duration_s, run.ttft) == (2.0, 10.0, Spread(0.1, p99=0.2))


def test_llmperf_responses() -> None:
    one = {
        "error_code": None,
        "ttft_s": 0.1,
        "end_to_end_latency_s": 2.1,
        "number_input_tokens": 1000,
        "number_output_tokens": 101,
    }
    failed = {"error_code": 429, "error_msg": "busy", "ttft_s": 0}
    (run,) = read([failed, one]).runs
    assert (run.served, run.failed) == ((ServedRequest(None, 1000, 101, 0.1, 2.1),), 1)
    assert run.tpot.p99 == pytest.approx(0.02)
    with pytest.raises(InputError, match=r"item 1: the first token came at 3 s, after the last at 2\.1 s"):
        read([{**one, "ttft_s": 3.0}])


def test_llmservingsim_records() -> None:
    line = {
        "input_toks": 1000,
        "output_toks": 101,
        "queued_ts": 50.0,
        "first_token_ts": 50.1,
        "last_token_ts": 52.1,
    }
    (run,) = read(line).runs
    assert run.tpot.mean == pytest.approx(0.02)
    assert run.ttft.mean == pytest.approx(0.1)
    with pytest.raises(InputError, match="stamps out of order"):
        read({**line, "last_token_ts": 50.05})
