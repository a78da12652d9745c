"""LLMServingSim: a cluster config that `pdplan simulate --cluster-config` reads back.

Fields from docs/docs/reference/cluster-config.md of https://github.com/casys-kaist/LLMServingSim at 5daddb2
(after v1.1.0): GB = 1e9 bytes, GB/s, ns. CPU memory is that of its examples (512 GB, 256 GB/s): nothing is
offloaded. JSON has no comments, so what must be known is in the notes of the export.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy.limits import plan_notes, refuse_paths
from pdplan.interop.deploy.placement import Placed, place
from pdplan.interop.deploy.record import Deployment
from pdplan.interop.deploy.rendering import Export, Manifest
from pdplan.spec.catalog import catalog_aliases

AGAINST: Final = (
    "LLMServingSim: docs/docs/reference/cluster-config.md of github.com/casys-kaist/LLMServingSim at 5daddb2 "
    "(after v1.1.0)",
)
_CPU_MEM: Final = {"mem_size": 512, "mem_bw": 256, "mem_latency": 0}
_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "fp8": "fp8", "int8": "int8"}


def llmservingsim(deployment: Deployment) -> Export:
    """Write the cluster config.

    Raises
    ------
    UnsupportedError
        An instance larger than a node, a dtype that LLMServingSim has not, or a model that is a path.
    """
    refuse_paths(deployment, "LLMServingSim", "a Hugging Face id that has a file in its configs/model")
    placement = place(deployment)
    nodes: list[list[dict[str, Any]]] = [[] for _ in range(placement.nodes)]
    for placed in placement.placed:
        if len(placed.nodes) > 1:
            raise UnsupportedError(
                f"{placed.name} takes {placed.pool.gpus_each} GPUs and a node has {placed.pool.node_gpus}: "
                "LLMServingSim keeps an instance inside a node; raise node.gpus or lower TP"
            )
        nodes[placed.nodes[0]].append(_instance(deployment, placed))
    wire = deployment.wire
    document = {
        "num_nodes": len(nodes),
        "link_bw": 16.0 if wire is None else _exact(wire.bytes_per_s / 1e9),
        "link_latency": 0 if wire is None else _exact(wire.startup_s * 1e9),
        "nodes": [
            {"num_instances": len(instances), "cpu_mem": _CPU_MEM, "instances": instances}
            for instances in nodes
        ],
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    return Export("llmservingsim", (Manifest("cluster.json", text),), AGAINST, tuple(_notes(deployment)))


def hardware_label(accelerator: str) -> str:
    """Return the shortest plain name of an accelerator in capitals, as LLMServingSim labels its profiles.

    Examples
    --------
    >>> hardware_label("h100-sxm-80gb"), hardware_label("rtx-pro-6000-blackwell")
    ('H100', 'RTXPRO6000')
    """
    aliases = [a for a, name in catalog_aliases("accelerators").items() if name == accelerator]
    plain = [a for a in (accelerator, *aliases) if a.isalnum()]
    return min(plain, key=len, default=accelerator).upper()


def _instance(deployment: Deployment, placed: Placed) -> dict[str, Any]:
    pool = placed.pool
    sequences = pool.max_sequences
    # 0 is "no limit": the plan bounds a prefill step by its tokens, a decode step by its sequences.
    tokens = pool.max_step_tokens if pool.max_step_tokens is not None else sequences
    entry: dict[str, Any] = {
        "model_name": deployment.model_id,
        "hardware": hardware_label(pool.accelerator),
        "npu_mem": {
            "mem_size": _exact(pool.memory_bytes / 1e9),
            "mem_bw": _exact(pool.memory_bytes_per_s / 1e9),
            "mem_latency": 0,
            "mem_util": _exact(pool.static_fraction),
        },
        "num_npus": pool.gpus_each,
        "tp_size": pool.tp,
        "pd_type": None if pool.role == "colocated" else pool.role,
        "max_num_seqs": sequences or 0,
        "max_num_batched_tokens": tokens or 0,
    }
    if pool.pp > 1:
        entry["pp_size"] = pool.pp
    return entry


def _notes(deployment: Deployment) -> list[str]:
    weights = _DTYPES.get(deployment.weights_dtype)
    if weights is None or deployment.kv_dtype not in ("bf16", "fp16", "fp8"):
        raise UnsupportedError(
            f"weights in {deployment.weights_dtype} and KV in {deployment.kv_dtype}: LLMServingSim has "
            f"weights in {', '.join(_DTYPES)} and KV in 16 bits or fp8"
        )
    kv = " --kv-cache-dtype fp8" if deployment.kv_dtype == "fp8" else ""
    blocks = f"--block-size {deployment.block_tokens}"
    notes = [
        f"to run LLMServingSim: python -m serving --cluster-config cluster.json --dtype {weights}{kv} "
        f"{blocks} --dataset ...; it needs a profile of this hardware, model and TP in profiler/perf",
        f"to run pdplan: pdplan simulate --cluster-config cluster.json {_simulate_dtype(deployment)}{blocks} "
        "--dataset ...",
        *plan_notes(deployment),
    ]
    if any(p.pp > 1 for p in deployment.pools):
        notes.append(
            "pp_size above 1 is for LLMServingSim alone: pdplan simulate --cluster-config refuses it"
        )
    return notes


def _simulate_dtype(deployment: Deployment) -> str:
    """The --dtype of pdplan simulate, which sets weights and KV together; none where the default is right."""
    if deployment.weights_dtype == deployment.kv_dtype:
        return f"--dtype {_DTYPES[deployment.weights_dtype]} "
    return ""


def _exact(value: float) -> float | int:
    """Twelve significant digits, as a whole number where it is one."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() else rounded
