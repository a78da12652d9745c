"""A Prometheus server that watches vLLM or SGLang: what it saw, as a workload and as observed latencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.interop.prometheus.bucket_law import BucketLaw
    from pdplan.interop.prometheus.client import PrometheusClient
    from pdplan.interop.prometheus.names import ENGINES, EngineMetrics
    from pdplan.interop.prometheus.note import observation_note
    from pdplan.interop.prometheus.observation import Observation
    from pdplan.interop.prometheus.observe import observe
    from pdplan.interop.prometheus.workload_file import workload_document, workload_text

__all__ = [
    "ENGINES",
    "BucketLaw",
    "EngineMetrics",
    "Observation",
    "PrometheusClient",
    "observation_note",
    "observe",
    "workload_document",
    "workload_text",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ENGINES": "pdplan.interop.prometheus.names",
        "BucketLaw": "pdplan.interop.prometheus.bucket_law",
        "EngineMetrics": "pdplan.interop.prometheus.names",
        "Observation": "pdplan.interop.prometheus.observation",
        "PrometheusClient": "pdplan.interop.prometheus.client",
        "observation_note": "pdplan.interop.prometheus.note",
        "observe": "pdplan.interop.prometheus.observe",
        "workload_document": "pdplan.interop.prometheus.workload_file",
        "workload_text": "pdplan.interop.prometheus.workload_file",
    },
)
