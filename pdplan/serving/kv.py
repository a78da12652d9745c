"""KV as freight: its dtype, and what unequal tensor parallelism adds to it."""

from __future__ import annotations

from typing import Any

from pdplan.checks import require_positive
from pdplan.errors import InputError, did_you_mean
from pdplan.latency.shape import BYTES_PER_VALUE
from pdplan.serving.economics import kv_payload_bytes
from pdplan.serving.piecewise import larger

__all__ = ["kv_bytes_in_dtype", "kv_payload_bytes", "resharding_factor"]


def kv_bytes_in_dtype(kv_bytes_per_token: Any, dtype: str, stored_dtype: str = "bf16") -> Any:
    """KV bytes of one token in another dtype.

    Parameters
    ----------
    kv_bytes_per_token : float
        Bytes per token in ``stored_dtype`` [bytes/tok].
    dtype, stored_dtype : str
        Keys of `pdplan.latency.shape.BYTES_PER_VALUE`.

    Returns
    -------
    float
        [bytes/tok]. Scales of quantised KV kept beside the values are not counted.

    Raises
    ------
    InputError
        A dtype that is not known.

    Examples
    --------
    >>> kv_bytes_in_dtype(131072, "fp8")                # FP8 halves the freight
    65536.0
    """
    require_positive("kv_bytes_per_token", kv_bytes_per_token, "B/tok")
    for name in (dtype, stored_dtype):
        if name not in BYTES_PER_VALUE:
            raise InputError(f"KV dtype {name!r} is not known{did_you_mean(name, BYTES_PER_VALUE)}")
    return kv_bytes_per_token * BYTES_PER_VALUE[dtype] / BYTES_PER_VALUE[stored_dtype]


def resharding_factor(decode_tp: Any, kv_heads: Any) -> Any:
    r"""Bytes that cross the link over the bytes of one KV copy, :math:`\max(1, TP_D / h_{kv})`.

    Each decode rank pulls the heads it needs. Up to one rank per KV head every byte crosses once, whatever
    the prefill side's TP; beyond, heads are replicated and so is their freight. Latent attention (MLA) has
    one head: every rank pulls all of it.

    Parameters
    ----------
    decode_tp : int
        Ranks of one attention group of a decode instance (TP / attention data parallelism) [-].
    kv_heads : int
        KV heads of the model, 1 for MLA [-].

    Returns
    -------
    float
        Factor, at least 1 [-].

    Notes
    -----
    An upper bound where ranks of one node fetch once and copy to each other over the scale-up link.

    Raises
    ------
    InputError
        Values that are not positive.

    Examples
    --------
    >>> resharding_factor(4, 8), resharding_factor(16, 8), resharding_factor(8, 1)
    (1.0, 2.0, 8.0)
    """
    require_positive("decode_tp", decode_tp)
    require_positive("kv_heads", kv_heads)
    return larger(1.0, decode_tp / kv_heads)
