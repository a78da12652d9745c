"""What fits: weights, activations and reserve on each GPU, and the KV tokens that the rest holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.latency.expert_parallel import redundant_share, require_degrees
from pdplan.latency.parameters import (
    bytes_per_value,
    kv_bytes_per_token,
    kv_bytes_per_token_per_gpu,
    parameter_groups,
    weight_bytes,
)
from pdplan.latency.shape import ModelShape
from pdplan.units import show

#: Share of GPU memory an engine may use. DistServe's published capacities give 0.916-0.930
#: (max_num_tokens.csv, A100 80 GiB); vLLM and SGLang default to 0.9 and 0.85-0.9.
USABLE_FRACTION = 0.92

#: Tokens of one KV block (Kwon et al., SOSP 2023, section 7.2: 16).
BLOCK_TOKENS = 16

_DEGREES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """Where the memory of one GPU goes [B], and what is left for KV.

    ``usable_bytes = weights_bytes + activation_bytes + reserve_bytes + kv_bytes``. ``kv_capacity_tokens`` is
    per instance (all its GPUs), in whole blocks of each attention rank.
    """

    memory_bytes: float
    usable_bytes: float
    weights_bytes: float
    activation_bytes: float
    reserve_bytes: float
    kv_bytes: float
    kv_bytes_per_token_per_gpu: float
    kv_capacity_tokens: int

    def __str__(self) -> str:
        """Read like a ledger."""
        parts = (
            ("weights", self.weights_bytes),
            ("activations", self.activation_bytes),
            ("reserve", self.reserve_bytes),
            ("KV", self.kv_bytes),
        )
        ledger = " + ".join(f"{name} {show(value, 'bytes')}" for name, value in parts if value)
        return (
            f"{ledger} = {show(self.usable_bytes, 'bytes')} a GPU: {self.kv_capacity_tokens:,} tokens of KV"
        )


def weights_bytes_per_gpu(
    shape: ModelShape, weights_dtype: str, tp: int, pp: int = 1, dp_attention: int = 1, ep: int = 1
) -> float:
    """Weights that each of tp x pp x dp_attention GPUs holds [B], split evenly within a stage of a rank.

    Routed experts, with their copies, are spread over all ranks; every rank holds the rest.

    Validity: ignores that the first and last pipeline stage hold the embeddings and that small matrices of
    latent attention are replicated (below 2% of the models of the catalog).

    Examples
    --------
    >>> llama = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
    >>> round(weights_bytes_per_gpu(llama, "bf16", 2) / 1e9, 2)
    8.03
    """
    for name, degree in (("tp", tp), ("pp", pp)):
        if degree < 1 or degree != int(degree):
            raise InputError(f"{name} is {degree}: it must be a whole number of at least 1")
    if dp_attention == 1 and ep == 1:
        return weight_bytes(shape, weights_dtype) / (tp * pp)
    require_degrees(shape, tp, dp_attention, ep)
    experts = parameter_groups(shape).experts * bytes_per_value(weights_dtype)
    stored = experts * (1.0 + redundant_share(dp_attention, ep)) / dp_attention
    return (weight_bytes(shape, weights_dtype) - experts + stored) / (tp * pp)


def prefill_activation_bytes(shape: ModelShape, step_tokens: float, tp: int) -> float:
    """Working memory of a step of ``step_tokens`` tokens on one GPU, in 16-bit values [B].

    Residual stream twice, the widest intermediate (gate and up, or the experts of a token), and Q, K, V.
    Engines measure theirs with a trial run at the largest step; this count is a floor of it.

    Examples
    --------
    >>> llama = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
    >>> prefill_activation_bytes(llama, 8192, 1) / 2**30
    0.65625
    """
    width = shape.intermediate
    if shape.moe is not None:
        width = max(width, shape.moe.experts_per_token * shape.moe.expert_intermediate)
    qkv = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    return 2.0 * step_tokens * (2 * shape.hidden + (2 * width + qkv) / tp)


def memory_fit(
    shape: ModelShape,
    memory_bytes: float,
    tp: int,
    pp: int = 1,
    *,
    weights_dtype: str = "bf16",
    kv_dtype: str = "bf16",
    fraction: float = USABLE_FRACTION,
    reserve_bytes: float = 0.0,
    activation_bytes: float = 0.0,
    block_tokens: int = BLOCK_TOKENS,
    dp_attention: int = 1,
    ep: int = 1,
) -> MemoryFit:
    """Lay weights, activations, reserve and KV into the memory of one GPU.

    ``tokens = floor((fraction M - weights - activations - reserve) / kv per token per GPU)``, rounded down to
    blocks. With pp stages each GPU holds the KV of its own layers; each of ``dp_attention`` ranks holds the
    KV of its own requests, so that the instance holds the sum (a request never more than a rank does).

    Parameters
    ----------
    shape : ModelShape
    memory_bytes : float
        Memory of one GPU [B].
    tp, pp : int
        Tensor and pipeline parallel degrees [-].
    weights_dtype, kv_dtype : str
    fraction : float
        Share of the memory that may be used, in (0, 1] [-].
    reserve_bytes, activation_bytes : float
        Kept free on each GPU [B].
    block_tokens : int
        Tokens of one KV block [tok].
    dp_attention, ep : int
        Attention data parallel and expert parallel degrees, see `expert_parallel` [-].

    Raises
    ------
    InfeasibleError
        Not even one block of KV fits; names the smallest TP that does.

    Source: DistServe's max_num_tokens.csv is reproduced within 10% at the default fraction.

    Examples
    --------
    >>> opt_13b = ModelShape(40, 5120, 40, 40, 128, 20480, 50272, gated_ffn=False, tied_embeddings=True)
    >>> memory_fit(opt_13b, 80 * 2**30, 1).kv_capacity_tokens
    65120
    """
    require_positive("memory_bytes", memory_bytes, "B")
    require_fraction("memory fraction", fraction, open_low=True)
    require_positive("reserve_bytes", reserve_bytes, "B", zero_ok=True)
    require_positive("activation_bytes", activation_bytes, "B", zero_ok=True)
    require_positive("block_tokens", block_tokens, "tok")
    weights = weights_bytes_per_gpu(shape, weights_dtype, tp, pp, dp_attention, ep)
    usable = fraction * memory_bytes
    left = usable - weights - reserve_bytes - activation_bytes
    per_token = kv_bytes_per_token_per_gpu(shape, tp, kv_dtype) / pp
    tokens = math.floor(left / per_token / block_tokens) * block_tokens if left > 0 else 0
    if tokens < block_tokens:
        raise InfeasibleError(
            _does_not_fit(
                shape, memory_bytes, tp, pp, weights_dtype, usable, weights, reserve_bytes + activation_bytes
            )
            if dp_attention == 1
            else f"tp {tp} dp_attention {dp_attention} ep {ep}: {show(weights, 'bytes')} of {weights_dtype} "
            f"weights a GPU leave no room for KV in {show(usable, 'bytes')} usable of "
            f"{show(memory_bytes, 'bytes')}: spread the experts over more GPUs (dp_attention and ep)"
        )
    tokens *= dp_attention
    return MemoryFit(memory_bytes, usable, weights, activation_bytes, reserve_bytes, left, per_token, tokens)


def smallest_tp(
    shape: ModelShape,
    memory_bytes: float,
    pp: int = 1,
    *,
    weights_dtype: str = "bf16",
    fraction: float = USABLE_FRACTION,
    kept_bytes: float = 0.0,
) -> int | None:
    """Smallest power-of-two TP, up to 64, at which the weights leave room for KV; None if there is none.

    Examples
    --------
    >>> llama_70b = ModelShape(80, 8192, 64, 8, 128, 28672, 128256)
    >>> smallest_tp(llama_70b, 80e9)
    2
    """
    for tp in _DEGREES:
        room = fraction * memory_bytes - kept_bytes - weights_bytes_per_gpu(shape, weights_dtype, tp, pp)
        if room > 0.01 * memory_bytes:
            return tp
    return None


def kv_capacity_bytes(shape: ModelShape, kv_capacity_tokens: float, kv_dtype: str = "bf16") -> float:
    """KV bytes that ``kv_capacity_tokens`` occupy over the whole instance, copies not counted [B].

    Examples
    --------
    >>> kv_capacity_bytes(ModelShape(32, 4096, 32, 8, 128, 14336, 128256), 2048) / 2**20
    256.0
    """
    return kv_bytes_per_token(shape, kv_dtype) * kv_capacity_tokens


def _does_not_fit(
    shape: ModelShape,
    memory_bytes: float,
    tp: int,
    pp: int,
    weights_dtype: str,
    usable_bytes: float,
    weights_bytes: float,
    kept_bytes: float,
) -> str:
    """Say what does not fit, by how much, and the remedy."""
    best = smallest_tp(
        shape,
        memory_bytes,
        pp,
        weights_dtype=weights_dtype,
        fraction=usable_bytes / memory_bytes,
        kept_bytes=kept_bytes,
    )
    kept = f" and {show(kept_bytes, 'bytes')} of activations and reserve" if kept_bytes else ""
    remedy = (
        f"use tp {best} or more, or narrower weights"
        if best is not None and best > tp
        else "use more pipeline stages, narrower weights, a larger GPU or less reserve"
    )
    return (
        f"tp {tp} pp {pp}: {show(weights_bytes, 'bytes')} of {weights_dtype} weights a GPU{kept} leave no "
        f"room for KV in {show(usable_bytes, 'bytes')} usable of {show(memory_bytes, 'bytes')}: {remedy}"
    )
