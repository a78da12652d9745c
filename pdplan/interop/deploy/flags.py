"""Command-line options of vLLM and SGLang for one instance, from the plan.

vLLM: https://docs.vllm.ai/en/latest/cli/serve, docs/features/nixl_connector_usage.md. SGLang:
docs/advanced_features/server_arguments.md. An option is a tuple of words, not yet quoted.
"""

from __future__ import annotations

import json
import math
from typing import Final

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy.record import Deployment, PoolSpec
from pdplan.latency.memory import BLOCK_TOKENS

Option = tuple[str, ...]

# A block size is written where the scenario states its own: some attention backends want theirs, and choose
# it when left alone.

#: Block sizes that vLLM's ``--block-size`` takes.
VLLM_BLOCKS: Final = (1, 8, 16, 32, 64, 128, 256)
#: vLLM's smallest default of ``--max-num-batched-tokens``: above it, ``--max-num-seqs`` needs it stated.
VLLM_STEP_TOKENS: Final = 2048
#: vLLM's largest default of ``--max-num-seqs``: below it, ``--max-num-batched-tokens`` needs it stated.
VLLM_SEQUENCES: Final = 1024
#: Of the planned KV, the share that one request may take: engines measure their own, a little less or more.
CONTEXT_SHARE: Final = 0.9
_TORCH: Final = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}

#: Both pools say ``kv_both``: the connector takes its role from the request, not from here.
KV_TRANSFER: Final = json.dumps(
    {"kv_connector": "NixlConnector", "kv_role": "kv_both"}, separators=(",", ":")
)


def vllm_options(deployment: Deployment, pool: PoolSpec, *, skip_tp: bool = False) -> list[Option]:
    """Return the options of ``vllm serve`` (or ``dynamo.vllm``) for one instance, without model and ports.

    Raises
    ------
    UnsupportedError
        Weights in a dtype that vLLM cannot make from the released checkpoint, or more sequences than tokens
        in a step.
    """
    options: list[Option] = []
    if not skip_tp:
        options.append(("--tensor-parallel-size", str(pool.tp)))
    if pool.pp > 1:
        options.append(("--pipeline-parallel-size", str(pool.pp)))
    options.append(("--gpu-memory-utilization", share(pool.memory_fraction)))
    if deployment.block_tokens != BLOCK_TOKENS and deployment.block_tokens in VLLM_BLOCKS:
        options.append(("--block-size", str(deployment.block_tokens)))
    options += _vllm_scheduling(pool)
    if deployment.kv_dtype == "fp8":
        options.append(("--kv-cache-dtype", "fp8"))
    options += weights_options(deployment)
    options += _context(deployment, "--max-model-len")
    if any(p.prefix_hit > 0 for p in deployment.pools):
        options.append(("--enable-prefix-caching",))
    if deployment.is_split:
        options.append(("--kv-transfer-config", KV_TRANSFER))
    return options


def sglang_options(deployment: Deployment, pool: PoolSpec) -> list[Option]:
    """Return the options of ``sglang.launch_server`` for one instance, without model, ports and roles.

    Raises
    ------
    UnsupportedError
        Weights in a dtype that SGLang cannot make from the released checkpoint.
    """
    options: list[Option] = [("--tp-size", str(pool.tp))]
    if pool.pp > 1:
        options.append(("--pp-size", str(pool.pp)))
    options.append(("--mem-fraction-static", share(pool.static_fraction)))
    if deployment.block_tokens != BLOCK_TOKENS:
        options.append(("--page-size", str(deployment.block_tokens)))
    if pool.role == "prefill" and pool.max_sequences is not None:
        options.append(("--prefill-max-requests", str(pool.max_sequences)))
    elif pool.max_sequences is not None:
        options.append(("--max-running-requests", str(pool.max_sequences)))
    if pool.max_step_tokens is not None:
        options.append(("--chunked-prefill-size", str(pool.max_step_tokens)))
        options.append(("--max-prefill-tokens", str(pool.max_step_tokens)))
    if pool.role == "colocated" and deployment.chunked:
        options.append(("--enable-mixed-chunk",))
    if deployment.kv_dtype == "fp8":
        options.append(("--kv-cache-dtype", "fp8_e4m3"))
    options += weights_options(deployment)
    options += _context(deployment, "--context-length")
    return options


def weights_options(deployment: Deployment) -> list[Option]:
    """Return what turns the released checkpoint into the planned weights; the same words in both engines.

    Raises
    ------
    UnsupportedError
        No option does it: a checkpoint in the planned dtype is needed.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> weights_options(EXAMPLE), weights_options(replace(EXAMPLE, weights_dtype="fp8"))
    ([], [('--quantization', 'fp8')])
    """
    planned, released = deployment.weights_dtype, deployment.released_dtype
    if released is None or planned == released:
        return []
    if released in _TORCH and planned == "fp8":
        return [("--quantization", "fp8")]
    if released in _TORCH and planned in _TORCH:
        return [("--dtype", _TORCH[planned])]
    raise UnsupportedError(
        f"weights_dtype is {planned} and {deployment.model_id} is released in {released}: give the "
        "checkpoint that is in the planned dtype with --model-id"
    )


def share(fraction: float) -> str:
    """Write a share of memory, rounded down to a thousandth.

    Examples
    --------
    >>> share(0.92), share(0.89999), share(1.0)
    ('0.92', '0.899', '1')
    """
    return f"{math.floor(fraction * 1000 + 1e-9) / 1000:g}"


def context_limit(deployment: Deployment) -> int | None:
    """Return the context to allow where an instance holds less KV than the model's longest [tok].

    Engines refuse to start when one longest request does not fit.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from pdplan.interop.deploy.example import EXAMPLE
    >>> context_limit(EXAMPLE), context_limit(replace(EXAMPLE, max_context_tokens=10_000_000))
    (None, 449536)
    """
    rooms = [p.kv_capacity_tokens for p in deployment.pools if p.kv_capacity_tokens is not None]
    longest = deployment.max_context_tokens
    if not rooms or longest is None or min(rooms) >= longest:
        return None
    whole = int(CONTEXT_SHARE * min(rooms))
    return max(1, whole // 1024 * 1024 or whole)


def _context(deployment: Deployment, flag: str) -> list[Option]:
    limit = context_limit(deployment)
    return [] if limit is None else [(flag, str(limit))]


def _vllm_scheduling(pool: PoolSpec) -> list[Option]:
    """Sequences and tokens of a step; vLLM wants at least as many tokens as sequences."""
    sequences, tokens = pool.max_sequences, pool.max_step_tokens
    if sequences is not None and tokens is not None and tokens < sequences:
        raise UnsupportedError(
            f"{pool.role}: {sequences} sequences and {tokens} tokens a step: vLLM wants at least as many "
            f"tokens as sequences; lower {pool.role}.max_batch"
        )
    if sequences is not None and tokens is None and sequences > VLLM_STEP_TOKENS:
        tokens = sequences
    if sequences is None and tokens is not None and tokens < VLLM_SEQUENCES:
        sequences = tokens
    options: list[Option] = []
    if sequences is not None:
        options.append(("--max-num-seqs", str(sequences)))
    if tokens is not None:
        options.append(("--max-num-batched-tokens", str(tokens)))
    return options
