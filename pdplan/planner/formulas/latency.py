"""Latencies of a plan, traced by `explain`."""

from __future__ import annotations

from typing import Any

from pdplan.latency.fitted import affine_decode_s
from pdplan.serving.economics import disagg_ttft_penalty, effective_transfer


def sum_of_parts_s(**parts_s: Any) -> Any:
    """Mean TTFT: the sum of its parts [s].

    Source: linearity of the mean.

    Examples
    --------
    >>> sum_of_parts_s(queue=0.1, prefill=0.25)
    0.35
    """
    first, *rest = parts_s.values()
    for part in rest:
        first = first + part
    return first


def mean_transfer_s(startup_s: Any, mean_payload_bytes: Any, link_bytes_per_s: Any) -> Any:
    """Mean time on the wire: start-up plus mean payload over bandwidth [s].

    Source: Hockney 1994, "The communication challenge for MPP", equation 1, averaged over payloads.

    Examples
    --------
    >>> mean_transfer_s(0.0, 268435456, 25e9)
    0.01073741824
    """
    return startup_s + mean_payload_bytes / link_bytes_per_s


def tokens_pace_s(mean_itl_s: Any, tokens_per_step: Any) -> Any:
    """Mean time per output token of steps that yield so many tokens each [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> tokens_pace_s(0.03, 1.5)
    0.02
    """
    return mean_itl_s / tokens_per_step


def delayed_pace_s(mean_itl_s: Any, tokens_per_step: Any, added_s: Any) -> Any:
    """Mean time per output token with what lies between the first and the second token spread over it [s].

    Source: definition of TPOT, with the first token from prefill.

    Examples
    --------
    >>> delayed_pace_s(0.02, 1.0, 0.005)
    0.025
    """
    return mean_itl_s / tokens_per_step + added_s


def mean_e2e_s(ttft_s: Any, mean_output_tokens: Any, tpot_s: Any) -> Any:
    """Mean end-to-end latency: the first token, then one TPOT for each further token [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> round(mean_e2e_s(0.5, 101, 0.02), 9)
    2.5
    """
    return ttft_s + (mean_output_tokens - 1) * tpot_s


def execution_s(mean_output_tokens: Any, tpot_s: Any) -> Any:
    """Mean time of decoding all tokens after the first [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> execution_s(101, 0.02)
    2.0
    """
    return (mean_output_tokens - 1) * tpot_s


def mean_admission_s(wait_probability: Any, mean_if_waiting_s: Any) -> Any:
    """Mean wait for a place in the decode batch [s].

    Source: total probability; those that find the batch full wait.

    Examples
    --------
    >>> mean_admission_s(0.5, 0.5)
    0.25
    """
    return wait_probability * mean_if_waiting_s


def companions_wait_s(passed: Any, companions: Any, mean_transfer_s: Any) -> Any:
    """Mean wait for the prompts of one's own prefill step: those that go first, each a transfer [s].

    Source: symmetry; half of them go first where they leave one by one, all where they share the link.

    Examples
    --------
    >>> companions_wait_s(0.5, 1.0, 0.1)
    0.05
    """
    return passed * companions * mean_transfer_s


def visible_penalty(payload_bytes: Any, link_bytes_per_s: Any, prefill_s: Any, overlap_fraction: Any) -> Any:
    """Transfer that prefill does not hide, over prefill [-].

    Source: Patel et al. 2024 (Splitwise, ISCA, arXiv 2311.18677): layer-wise KV transfer during prefill.

    Examples
    --------
    >>> round(visible_penalty(268435456, 25e9 / 8, 0.205, 0.369), 3)
    0.05
    """
    transfer_s = payload_bytes / link_bytes_per_s
    return disagg_ttft_penalty(effective_transfer(transfer_s, prefill_s, overlap_fraction), prefill_s)


def tpot_of_batch_s(
    batch: Any, mean_context_tokens: Any, fixed_s: Any, per_sequence_s: Any, per_context_token_s: Any
) -> Any:
    """TPOT of a batch whose requests have contexts of this mean [s].

    Source: DistServe (Zhong et al., OSDI 2024), appendix A, and its simulator.

    Examples
    --------
    >>> round(tpot_of_batch_s(8, 512, 19.9347e-3, 0.0385070e-3, 0.000626936e-3) * 1e3, 2)
    22.81
    """
    return affine_decode_s(fixed_s, per_sequence_s, per_context_token_s, batch, batch * mean_context_tokens)


def chunk_worth_curing_s(min_itl_gain: Any, decode_step_s: Any) -> Any:
    """Chunk that makes a step slower by just the gain worth curing [s].

    Source: (t + c)/t = g solved for c.

    Examples
    --------
    >>> chunk_worth_curing_s(1.5, 0.01)
    0.005
    """
    return (min_itl_gain - 1) * decode_step_s
