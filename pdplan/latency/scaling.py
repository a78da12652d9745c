"""Two questions about a roofline: how much TP gains, and from how many tokens prefill is compute-bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pdplan.latency import terms
from pdplan.latency.model import prompt_prefill_s
from pdplan.latency.roofline import Roofline


def speedup(model: Roofline, tp: int, prompt_tokens: Any) -> Any:
    """Speed-up K of the prefill of one prompt when ``model`` runs at ``tp`` instead of its own degree [-].

    Below ``tp / model.tp``: all-reduces, small kernels and launches do not divide.

    Source: DistServe (Zhong et al., OSDI 2024), section 3.1, where K is given; here it is computed.

    Examples
    --------
    >>> from pdplan.latency.shape import Device, ModelShape
    >>> a100 = Device({"bf16": 312e12}, 80e9, 2.039e12, 300e9)
    >>> opt_66b = ModelShape(64, 9216, 72, 72, 128, 36864, 50272, gated_ffn=False)
    >>> 1.5 < float(speedup(Roofline(opt_66b, a100, tp=1), 2, 512)) < 2
    True
    """
    return prompt_prefill_s(model, prompt_tokens) / prompt_prefill_s(replace(model, tp=tp), prompt_tokens)


def prefill_saturation_tokens(model: Roofline, *, largest: int = 1 << 20) -> int:
    """Tokens L_m from which the projections of a prefill step are compute-bound [tok].

    Smallest ``n`` with ``2 P n / (rate) >= weight bytes(n) / (memory rate)``; in a dense model
    ``n = bytes per value x rate / (2 x memory rate)``. Batching prompts beyond L_m gains nothing, below it
    batching is free. With attention data parallelism these are the tokens of all ranks together.

    Source: DistServe (Zhong et al., OSDI 2024), section 3.1 ("L_m").

    Examples
    --------
    >>> from pdplan.latency.shape import Device, ModelShape
    >>> h100 = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
    >>> prefill_saturation_tokens(Roofline(ModelShape(80, 8192, 64, 8, 128, 28672, 128256), h100, tp=4))
    263
    """
    low, high = 0, 1
    while high < largest and not _compute_bound(model, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _compute_bound(model, middle) else (middle, high)
    return high


def _compute_bound(model: Roofline, tokens: int) -> bool:
    """Whether computing the projections of ``tokens`` tokens takes longer than reading their weights."""
    w, r, moe = model.work, model.rates, model.shape.moe
    hit = terms.expert_hit_fraction(tokens, moe.experts, moe.experts_per_token) if moe is not None else 0.0
    rank = w.dense_parameters / model.dp_attention  # a rank sees its own tokens, its experts those of all
    compute = terms.linear_flops(tokens, rank + w.expert_parameters) / r.gemm_flops_per_s
    return bool(compute >= (w.dense_bytes + w.expert_bytes * hit) / r.memory_bytes_per_s)
