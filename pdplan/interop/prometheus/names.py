"""What vLLM and SGLang call their metrics, over the versions that people run.

Sources, read November 2026:

- vLLM: ``vllm/v1/metrics/loggers.py``, ``stats.py`` and ``buckets.py``; docs.vllm.ai "Metrics". Counters are
  exposed with ``_total`` behind their name (the Prometheus client adds it).
- SGLang: ``python/sglang/srt/metrics/collector.py``, later ``srt/observability/metrics_collector.py``;
  docs.sglang.io "Production Metrics". It must be started with ``--enable-metrics``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """The names of one engine; each tuple holds the newest name first, and the first that exists is used.

    Parameters
    ----------
    prompt, output : tuple of str
        Histograms of prompt and output tokens of a request.
    ttft, tpot, itl, e2e : tuple of str
        Histograms of latencies [s]; ``tpot`` has one entry for a request, ``itl`` one for a gap or token.
    served : tuple of str
        Counters that go up once for a request.
    cached, looked_up : tuple of str
        Counters of prompt tokens found in the prefix cache, and of those looked up.
    waiting : tuple of str
        Gauges of requests that wait.
    tpot_counts_single_tokens : bool
        Whether requests with one output token are entered as a TPOT of 0.
    token_edges_follow_1_2_5 : bool
        Whether the length buckets are 1, 2, 5, 10, ... up to the longest context: then the last bucket ends
        below the next number of that series.
    remedy : str
        What to do where the metrics are missing.
    """

    name: str
    prompt: tuple[str, ...]
    output: tuple[str, ...]
    ttft: tuple[str, ...]
    tpot: tuple[str, ...]
    itl: tuple[str, ...]
    e2e: tuple[str, ...]
    served: tuple[str, ...]
    cached: tuple[str, ...]
    looked_up: tuple[str, ...]
    waiting: tuple[str, ...]
    tpot_counts_single_tokens: bool
    token_edges_follow_1_2_5: bool
    remedy: str

    def latencies(self) -> Mapping[str, tuple[str, ...]]:
        """Histograms of latencies by the name that pdplan gives them."""
        return {"ttft": self.ttft, "tpot": self.tpot, "itl": self.itl, "e2e": self.e2e}


VLLM: Final = EngineMetrics(
    name="vllm",
    prompt=("vllm:request_prompt_tokens",),
    output=("vllm:request_generation_tokens",),
    ttft=("vllm:time_to_first_token_seconds",),
    tpot=("vllm:request_time_per_output_token_seconds",),
    # the old name says TPOT and holds gaps between tokens
    itl=("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
    e2e=("vllm:e2e_request_latency_seconds",),
    served=("vllm:time_to_first_token_seconds_count", "vllm:request_success_total"),
    cached=("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
    looked_up=("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
    waiting=("vllm:num_requests_waiting",),
    tpot_counts_single_tokens=True,
    token_edges_follow_1_2_5=True,
    remedy="check that Prometheus scrapes the engines (/metrics of each vllm serve)",
)
SGLANG: Final = EngineMetrics(
    name="sglang",
    prompt=("sglang:prompt_tokens_histogram",),
    output=("sglang:generation_tokens_histogram",),
    ttft=("sglang:time_to_first_token_seconds",),
    # sglang:time_per_output_token_seconds of old versions has the TTFT in it: not read
    tpot=(),
    itl=("sglang:inter_token_latency_seconds",),
    e2e=("sglang:e2e_request_latency_seconds",),
    served=("sglang:time_to_first_token_seconds_count", "sglang:num_requests_total"),
    cached=("sglang:cached_tokens_total",),
    looked_up=("sglang:prompt_tokens_total",),
    waiting=("sglang:num_queue_reqs",),
    tpot_counts_single_tokens=False,
    token_edges_follow_1_2_5=False,
    remedy="start SGLang with --enable-metrics (older versions also --collect-tokens-histogram)",
)
#: Engine name -> its metrics.
ENGINES: Final[Mapping[str, EngineMetrics]] = {"vllm": VLLM, "sglang": SGLANG}
