"""What an engine cannot do as planned: refused by name, or said in a note."""

from __future__ import annotations

from typing import Final

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy.flags import context_limit
from pdplan.interop.deploy.record import Deployment

#: Two bytes a value: what an engine's ``auto`` KV cache is, for a model in 16 bits or in quantised weights.
SIXTEEN_BITS: Final = frozenset({"bf16", "fp16"})


def refuse_kv_dtype(deployment: Deployment, engine: str) -> None:
    """Refuse KV in anything but 16 bits or fp8."""
    if deployment.kv_dtype not in SIXTEEN_BITS | {"fp8"}:
        raise UnsupportedError(
            f"kv_dtype is {deployment.kv_dtype}: {engine} keeps KV in 16 bits or fp8; plan with kv_dtype: "
            "fp8 or bf16"
        )


def refuse_pipeline_split(deployment: Deployment) -> None:
    """Refuse split pools with pipeline parallelism: vLLM's NixlConnector fails at the handshake.

    Source: vllm-project/vllm issues 40674 and 52913 (open): "NixlConnector received pp_rank > 0 handshake
    metadata but does not support PP-disaggregated KV transfer".
    """
    for pool in deployment.pools:
        if deployment.is_split and pool.pp > 1:
            raise UnsupportedError(
                f"{pool.role} has PP {pool.pp}: vLLM's NixlConnector moves no KV with pipeline parallelism "
                f"(vLLM issue 40674); plan with {pool.role}.parallel.pp=1, or export --to sglang"
            )


def refuse_pipeline_mismatch(deployment: Deployment) -> None:
    """Refuse a decode PP that SGLang's KV transfer does not take.

    Source: sgl-project/sglang, python/sglang/srt/disaggregation/common/conn.py: "Decode pp size should be
    equal to prefill pp size or 1".
    """
    if not deployment.is_split:
        return
    prefill, decode = deployment.pools
    if decode.pp not in (1, prefill.pp):
        raise UnsupportedError(
            f"decode has PP {decode.pp} and prefill PP {prefill.pp}: SGLang takes a decode PP of 1 or the "
            "prefill's; plan with decode.parallel.pp=1"
        )


def refuse_other_vendors(deployment: Deployment, target: str) -> None:
    """Refuse accelerators that a target has no image for."""
    for pool in deployment.pools:
        if pool.vendor != "NVIDIA":
            raise UnsupportedError(
                f"{pool.role} runs on {pool.accelerator} of {pool.vendor}: {target} is for NVIDIA GPUs; "
                "export --to vllm or sglang"
            )


def refuse_paths(deployment: Deployment, target: str, remedy: str) -> None:
    """Refuse a model that is a path where a Hugging Face id is needed."""
    if deployment.model_id.startswith("/"):
        raise UnsupportedError(f"model id {deployment.model_id} is a path: {target} needs {remedy}")


def common_notes(deployment: Deployment) -> list[str]:
    """Say what whoever starts engines must know: connectors, prefix cache, speculation, context."""
    return [*_connector_notes(deployment), *plan_notes(deployment), *_context_notes(deployment)]


def plan_notes(deployment: Deployment) -> list[str]:
    """Say what the plan counts on that no option gives."""
    return [*_prefix_notes(deployment), *_speculation_notes(deployment)]


def _connector_notes(deployment: Deployment) -> list[str]:
    """Say what NIXL wants of the two pools, where the plan comes near it."""
    if not deployment.is_split:
        return []
    prefill, decode = deployment.pools
    notes = []
    if prefill.tp > decode.tp:
        notes.append(
            f"prefill TP {prefill.tp} is larger than decode TP {decode.tp}: llm-d lists known limits of the "
            "KV connectors in this direction; try it before you rely on it"
        )
    if len(deployment.accelerators) > 1:
        notes.append(
            "the pools are on different accelerators: both must run the same engine version, attention "
            "backend and KV dtype"
        )
    return notes


def _prefix_notes(deployment: Deployment) -> list[str]:
    """Say what the plan assumed of the prefix cache, which engines have on."""
    hits = {p.role: p.prefix_hit for p in deployment.pools if p.prefix_hit > 0}
    if not hits:
        return ["the plan counts on no prefix-cache hits; the cache, on by default, can only lessen the load"]
    said = ", ".join(f"{share:.0%} of prompt tokens at {role}" for role, share in hits.items())
    return [
        f"the plan counts on prefix-cache hits ({said}): route requests with the same prefix to the same "
        "instance, or they will be fewer"
    ]


def _speculation_notes(deployment: Deployment) -> list[str]:
    """Say that speculation was planned, whose draft model is not pdplan's to choose."""
    if deployment.tokens_per_step == 1:
        return []
    return [
        f"the plan counts on {deployment.tokens_per_step:g} tokens a decode step: configure the speculation "
        "that gives them, or TPOT will be longer"
    ]


def _context_notes(deployment: Deployment) -> list[str]:
    """Say that long requests are turned away where the KV of an instance is short of the model's context."""
    limit = context_limit(deployment)
    if limit is None:
        return []
    return [
        f"an instance holds less KV than the model's context of {deployment.max_context_tokens:,} tokens: "
        f"requests longer than {limit:,} tokens are refused"
    ]
