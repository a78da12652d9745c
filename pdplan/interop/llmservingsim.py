"""LLMServingSim's files: cluster config and dataset in, per-request CSV and log lines out.

The formats are those of https://github.com/casys-kaist/LLMServingSim (its pages on the cluster config, the
JSONL format and reading the output), whose layout alone is taken over. Its units: GB = 1e9 bytes, GB/s, ns.
"""

from pdplan.interop.llmservingsim_config import ClusterConfig, InstanceConfig, read_cluster_config
from pdplan.interop.llmservingsim_dataset import RequestTrace, read_dataset
from pdplan.interop.llmservingsim_fleet import ClusterFleet, build_fleet, serve_trace
from pdplan.interop.llmservingsim_output import CSV_FIELDS, interval_text, request_rows, write_requests_csv

__all__ = [
    "CSV_FIELDS",
    "ClusterConfig",
    "ClusterFleet",
    "InstanceConfig",
    "RequestTrace",
    "build_fleet",
    "interval_text",
    "read_cluster_config",
    "read_dataset",
    "request_rows",
    "serve_trace",
    "write_requests_csv",
]
