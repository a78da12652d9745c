"""Attention data parallelism and expert parallelism: degrees that go together, and how full a rank gets.

An instance with ``dp_attention`` = d is d ranks of tp GPUs (times pp). Each rank holds the KV of its own
requests and its own copy of attention, shared experts, dense layers and output head; the routed experts are
spread over all tp x d GPUs. Dispatch and combine in every layer hold all ranks to the pace of the slowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency.shape import ModelShape
from pdplan.normal import ndtri

#: Copies of hot experts beside the originals, as a share of them: 32 of 256 in DeepSeek's deployments (V3
#: report, arXiv 2412.19437, section 3.4; "DeepSeek-V3/R1 Inference System Overview", 2025) and in SGLang's.
REDUNDANT_EXPERTS = 0.125


def redundant_share(dp_attention: int, ep: int) -> float:
    """Copies of experts over originals: `REDUNDANT_EXPERTS` where experts are spread beyond one rank [-].

    Examples
    --------
    >>> redundant_share(1, 8), redundant_share(32, 32)
    (0.0, 0.125)
    """
    return REDUNDANT_EXPERTS if dp_attention > 1 and ep > 1 else 0.0


def require_degrees(shape: ModelShape, tp: int, dp_attention: int, ep: int) -> None:
    """Refuse degrees that do not go together.

    ``ep`` is 1 (every GPU holds a slice of every expert), or divides tp where one rank does all attention, or
    is tp x dp_attention: whole experts over all GPUs of a stage.

    Raises
    ------
    InputError
        Names the degree and what would do.

    Examples
    --------
    >>> from pdplan.latency.shape import MoeShape
    >>> moe = ModelShape(4, 512, 8, 8, 64, 1024, 1000, moe=MoeShape(16, 2, 256))
    >>> require_degrees(moe, 1, 8, 8)
    >>> require_degrees(moe, 1, 8, 4)
    Traceback (most recent call last):
    pdplan.errors.InputError: ep is 4 with tp 1 and dp_attention 8: it must be 1 or 8
    """
    for name, degree in (("dp_attention", dp_attention), ("ep", ep)):
        if degree < 1 or degree != int(degree):
            raise InputError(f"{name} is {degree}: it must be a whole number of at least 1")
    if dp_attention == 1 and ep == 1:
        return
    if shape.moe is None:
        name, degree = ("ep", ep) if ep > 1 else ("dp_attention", dp_attention)
        raise InputError(
            f"{name} is {degree}: the model has no experts to share; plan instances of lower tp instead"
        )
    if dp_attention > 1 and ep not in (1, tp * dp_attention):
        raise InputError(
            f"ep is {ep} with tp {tp} and dp_attention {dp_attention}: it must be 1 or {tp * dp_attention}"
        )
    if dp_attention == 1 and tp % ep:
        raise InputError(f"ep is {ep} with tp {tp} and dp_attention 1: it must divide tp")
    if ep > shape.moe.experts:
        raise InputError(f"ep is {ep}: the model has {shape.moe.experts} experts")


def fullest_prefill_share(tokens: Any, attention_tokens_sq: Any, ranks: int) -> Any:
    """Share of the prompt tokens of a step on the rank that has most: ``max(1/d, longest / tokens)`` [-].

    A prompt stays on one rank, so the fullest has at least the longest one and at least the mean; prompts
    dealt to the emptiest rank come near that. The longest is taken as ``sum n^2 / sum n``, the length of the
    prompt that a token belongs to on average.

    Validity: with prefix hits ``sum n^2 / sum n`` is new + 2 cached, which makes the share too large for
    steps of few tokens per rank (conservative).

    Examples
    --------
    Two prompts of 1000 tokens on eight ranks: half of the work on one rank; forty: an eighth.

    >>> float(fullest_prefill_share(2000.0, 2e6, 8)), float(fullest_prefill_share(4e4, 4e7, 8))
    (0.5, 0.125)
    """
    if ranks == 1:
        return 1.0
    tokens = np.maximum(tokens, 1e-300)
    return np.maximum(1.0 / ranks, np.minimum(1.0, attention_tokens_sq / tokens**2))


def fullest_decode_share(batch: Any, ranks: int) -> Any:
    """Share of the sequences of a step on the rank that has most: dealt evenly, but at least one [-].

    Examples
    --------
    >>> float(fullest_decode_share(2.0, 8)), float(fullest_decode_share(64.0, 8))
    (0.5, 0.125)
    """
    if ranks == 1:
        return 1.0
    return np.maximum(1.0 / ranks, 1.0 / np.maximum(batch, 1.0))


def context_excess(batch: Any, ranks: int, context_scv: float) -> Any:
    """Context of the rank that holds most, over the mean of the busy ranks [-].

    Sequences are dealt evenly by number; their contexts differ. The largest of r sums of b/r independent
    contexts: ``1 + z_r sqrt(scv / (b/r))``, z_r the mean of the largest of r standard normals.

    Parameters
    ----------
    batch : float or array
        Sequences of the instance [-].
    ranks : int
        [-].
    context_scv : float
        Squared coefficient of variation of the contexts [-].

    Validity: sums taken as normal; a router that looks at KV in use does better.

    Source: Blom 1958 for z_r, ``ndtri((r - 3/8) / (r + 1/4))``, within 1% of the exact value.

    Examples
    --------
    >>> round(float(context_excess(256.0, 8, 1.0)), 3), float(context_excess(1.0, 8, 1.0))
    (1.254, 1.0)
    """
    if ranks == 1 or context_scv == 0:
        return 1.0
    batch = np.maximum(np.asarray(batch, dtype=float), 1.0)
    busy = np.minimum(batch, ranks)
    largest = np.maximum(ndtri((busy - 0.375) / (busy + 0.25)), 0.0)
    return 1.0 + largest * np.sqrt(context_scv * busy / batch)


def fullest_rank(
    batch: Any, context_tokens: Any, pp: int, ranks: int, context_scv: float
) -> tuple[Any, Any, Any]:
    """Sequences that a pipeline stage decodes, those of them on its fullest rank, and their context.

    With pp stages the batch runs as pp parts, of at least one sequence where there is one.

    Examples
    --------
    >>> [float(x) for x in fullest_rank(64.0, 64e3, 2, 4, 0.0)]
    [32.0, 8.0, 8000.0]
    """
    part, context = batch, context_tokens
    if pp > 1:
        part, context = np.maximum(np.asarray(batch) / pp, np.minimum(batch, 1.0)), context_tokens / pp
    share = fullest_decode_share(part, ranks)
    return part, part * share, context * share * context_excess(part, ranks, context_scv)


def hidden_s(
    exchange_s: Any, device_s: Any, tokens_per_gpu: Any, overlap: float, few: float, many: float
) -> Any:
    """Dispatch and combine hidden behind computing when a step is worked on in two halves [s].

    ``overlap x min(exchange, device)``, growing from nothing at ``few`` tokens per GPU to all of it at
    ``many``: halves of a small step run too inefficiently to gain.

    Examples
    --------
    >>> float(hidden_s(0.02, 0.05, 256, 0.5, 64, 256)), float(hidden_s(0.02, 0.05, 32, 0.5, 64, 256))
    (0.01, 0.0)
    """
    ramp = np.clip((np.asarray(tokens_per_gpu, dtype=float) - few) / (many - few), 0.0, 1.0)
    return overlap * ramp * np.minimum(exchange_s, device_s)
