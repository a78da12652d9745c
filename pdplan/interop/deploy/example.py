"""A small deployment, for examples and tests: Llama-3.1-70B, 1 prefill and 1 decode instance of TP 4."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pdplan.interop.deploy.record import Deployment, PoolSpec, Served, Wire

_DECODE: Final = PoolSpec(
    role="decode",
    count=1,
    tp=4,
    pp=1,
    accelerator="h100-sxm-80gb",
    vendor="NVIDIA",
    memory_bytes=85_520_809_984.0,
    memory_bytes_per_s=3.35e12,
    max_sequences=256,
    max_step_tokens=None,
    memory_fraction=0.92,
    static_fraction=0.9,
    kv_capacity_tokens=500_000,
    node_gpus=8,
    router="round_robin",
)

#: 8 req/s of chat on eight H100.
EXAMPLE: Final = Deployment(
    title="chat on Llama-3.1-70B",
    model_name="llama-3.1-70b",
    model_id="meta-llama/Llama-3.1-70B",
    weights_dtype="bf16",
    released_dtype="bf16",
    kv_dtype="bf16",
    weights_bytes=141.1e9,
    block_tokens=16,
    max_context_tokens=131_072,
    pools=(replace(_DECODE, role="prefill", max_sequences=None, max_step_tokens=8192), _DECODE),
    wire=Wire("ib-ndr-400g", 200e9, 5e-6),
    served=(Served("chat", 8.0, 1155.0, 211.0, ("ttft p99 <= 2 s: planned 1.33 s",)),),
    checked="not asked for",
)

#: The same traffic on three colocated instances of TP 4.
COLOCATED: Final = replace(
    EXAMPLE, pools=(replace(_DECODE, role="colocated", count=3, max_step_tokens=2048),), wire=None
)
