"""Does splitting pay for one request class? The two ledgers, priced in a few lines each.

What splitting buys: decode steps that never share a batch with a prefill chunk. What it costs: the prompt's
KV crosses a wire, into TTFT. The utilisation ledger (each pool run at its own best batch) is the planner's.
"""

from __future__ import annotations

from typing import Any

from pdplan.checks import require_fraction, require_positive
from pdplan.serving.pd_sizing import PdCounts, pd_counts, pd_ratio
from pdplan.serving.piecewise import larger
from pdplan.serving.verdict import (
    MAX_TTFT_PENALTY,
    MIN_ITL_GAIN,
    Crossover,
    Verdict,
    disagg_wins,
)

__all__ = [
    "MAX_TTFT_PENALTY",
    "MIN_ITL_GAIN",
    "Crossover",
    "PdCounts",
    "Verdict",
    "colocated_itl_worst",
    "disagg_ttft_penalty",
    "disagg_wins",
    "effective_transfer",
    "kv_payload_bytes",
    "needed_overlap",
    "pd_counts",
    "pd_ratio",
    "transfer_seconds",
]


def kv_payload_bytes(prompt_tokens: Any, kv_bytes_per_token: Any) -> Any:
    r"""Bytes of KV that one request sends from prefill to decode, :math:`n\,k`.

    Parameters
    ----------
    prompt_tokens : float
        Prompt tokens of the request, n [tok].
    kv_bytes_per_token : float
        KV bytes of one token over all layers, k [bytes/tok].

    Returns
    -------
    float
        Payload [bytes].

    Notes
    -----
    Exact for full attention; sliding layers hold less, so there it is an upper bound.

    Raises
    ------
    InputError
        Negative tokens, or bytes per token that are not positive.

    References
    ----------
    Zhong et al. 2024 (DistServe, OSDI), section 3.3.

    Examples
    --------
    >>> kv_payload_bytes(2048, 131072) / 2**20          # MiB, Llama-3.1-8B in bf16
    256.0
    """
    require_positive("prompt_tokens", prompt_tokens, "tok", zero_ok=True)
    require_positive("kv_bytes_per_token", kv_bytes_per_token, "B/tok")
    return prompt_tokens * kv_bytes_per_token


def transfer_seconds(payload_bytes: Any, link_gbit_per_s: Any) -> Any:
    r"""Time of a payload over an idle link quoted in gigabits, :math:`8\,\mathrm{bytes}/(10^9\,g)`.

    The only place where bytes become bits.

    Parameters
    ----------
    payload_bytes : float
        What crosses the link [bytes].
    link_gbit_per_s : float
        Line rate, g, in units of 1e9 bit/s [Gb/s].

    Returns
    -------
    float
        Transfer time [s]; a lower bound, since no start-up time or protocol loss is in it
        (`pdplan.serving.transfer.Link` has both).

    Raises
    ------
    InputError
        Negative payload, or a rate that is not positive.

    Examples
    --------
    >>> round(transfer_seconds(268435456, 200) * 1e3, 1), round(transfer_seconds(268435456, 10) * 1e3, 1)
    (10.7, 214.7)
    """
    require_positive("payload_bytes", payload_bytes, "B", zero_ok=True)
    require_positive("link_gbit_per_s", link_gbit_per_s, "Gb/s")
    return payload_bytes * 8 / (link_gbit_per_s * 1e9)


def effective_transfer(transfer_s: Any, prefill_s: Any, overlap_fraction: Any, *, layers: Any = None) -> Any:
    r"""Part of the transfer that TTFT sees when KV streams while prefill still computes.

    .. math:: \max\left(T/L,\; T - o\,P\right)

    with :math:`T/L` replaced by 0 when no layer count is given: the last layer's KV exists only when prefill
    ends, so it can never hide.

    Parameters
    ----------
    transfer_s : float
        Whole transfer, T [s].
    prefill_s : float
        Prefill time, P [s].
    overlap_fraction : float
        Share of the prefill during which the link may send, o, in [0, 1] [-].
    layers : int, optional
        Layers streamed one by one, L [-]. Default: no floor.

    Returns
    -------
    float
        Visible transfer [s].

    Raises
    ------
    InputError
        Negative times, an overlap outside [0, 1], layers that are not positive.

    References
    ----------
    Patel et al. 2024 (Splitwise, ISCA, arXiv 2311.18677): layer-wise KV transfer during prefill.

    Examples
    --------
    >>> effective_transfer(0.25, 0.5, 0.25)
    0.125
    >>> effective_transfer(0.25, 0.5, 1.0), effective_transfer(0.25, 0.5, 1.0, layers=32)
    (0.0, 0.0078125)
    """
    require_positive("transfer_s", transfer_s, "s", zero_ok=True)
    require_positive("prefill_s", prefill_s, "s", zero_ok=True)
    require_fraction("overlap_fraction", overlap_fraction)
    floor = 0 * transfer_s  # 0 of the right kind: float, array or symbol
    if layers is not None:
        require_positive("layers", layers)
        floor = transfer_s / layers
    return larger(floor, transfer_s - overlap_fraction * prefill_s)


def needed_overlap(transfer_s: Any, prefill_s: Any, target_penalty: Any) -> Any:
    r"""Overlap that brings the visible transfer down to a share of prefill, :math:`\max(0, T/P - \pi)`.

    The inverse of `effective_transfer` in its overlap. Above 1 no overlap is enough on this link.

    Parameters
    ----------
    transfer_s, prefill_s : float
        Whole transfer T and prefill P [s].
    target_penalty : float
        Visible transfer wished for, as a share of prefill, pi [-].

    Returns
    -------
    float
        Overlap fraction [-].

    Raises
    ------
    InputError
        Negative transfer or target, or a prefill that is not positive.

    Examples
    --------
    >>> t = transfer_seconds(268435456, 25)              # 2048 tokens of an 8B on 25 GbE
    >>> round(needed_overlap(t, 0.205, 0.05), 3), round(needed_overlap(t, 0.205, 0.10), 3)
    (0.369, 0.319)
    """
    require_positive("transfer_s", transfer_s, "s", zero_ok=True)
    require_positive("prefill_s", prefill_s, "s")
    require_positive("target_penalty", target_penalty, zero_ok=True)
    return larger(0 * transfer_s, transfer_s / prefill_s - target_penalty)


def colocated_itl_worst(decode_step_s: Any, chunk_s: Any) -> Any:
    r"""Worst gap between tokens when a prefill chunk shares the step, :math:`t + c`.

    Parameters
    ----------
    decode_step_s : float
        Decode step without a chunk, t [s].
    chunk_s : float
        What a full prefill chunk adds to it, c [s].

    Returns
    -------
    float
        Worst inter-token latency [s].

    Notes
    -----
    The worst is also the p99 only where more than 1% of the gaps see a full chunk.

    Raises
    ------
    InputError
        A step that is not positive, or a negative chunk.

    References
    ----------
    Agrawal et al. 2024 (Sarathi-Serve, OSDI): stalls of decodes that share a step with a prefill.

    Examples
    --------
    >>> round(colocated_itl_worst(0.010, 0.025), 3)
    0.035
    """
    require_positive("decode_step_s", decode_step_s, "s")
    require_positive("chunk_s", chunk_s, "s", zero_ok=True)
    return decode_step_s + chunk_s


def disagg_ttft_penalty(transfer_s: Any, prefill_s: Any) -> Any:
    r"""What the transfer adds to TTFT, relative to prefill, :math:`T/P`.

    Both grow about linearly with the prompt, so the ratio belongs to (model, link), not to a request.

    Parameters
    ----------
    transfer_s, prefill_s : float
        Visible transfer T and prefill P [s].

    Returns
    -------
    float
        Penalty [-]; 0.05 is 5%.

    Raises
    ------
    InputError
        A negative transfer, or a prefill that is not positive.

    Examples
    --------
    >>> round(disagg_ttft_penalty(0.0107, 0.205), 3), disagg_ttft_penalty(0.2147, 0.205) > 1
    (0.052, True)
    """
    require_positive("transfer_s", transfer_s, "s", zero_ok=True)
    require_positive("prefill_s", prefill_s, "s")
    return transfer_s / prefill_s
