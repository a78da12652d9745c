"""Dispatch and combine of expert parallelism: how often a token's state leaves its GPU, and for how long.

Two ways to route are in use (DeepEP, github.com/deepseek-ai/DeepEP): *throughput* kernels send a token once
to every node that needs it, where NVLink forwards it to each GPU that holds a chosen expert (prefill);
*low-latency* kernels send one copy straight to every chosen expert (decode).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pdplan.checks import require_positive

#: Values of a token that share one 32-bit scale in fp8 dispatch (DeepSeek-V3, arXiv 2412.19437, section 3.3).
SCALE_BLOCK = 128

#: Bytes of a value on its way back: experts' outputs are summed in 16 bits (same, section 3.2.3).
COMBINE_BYTES = 2.0


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of a token's state that one GPU sends over its scale-up links and its NIC, mean of tokens."""

    scale_up: float
    nic: float


def distinct_groups(choices: int, groups: float) -> float:
    """Groups hit by ``choices`` uniform, independent choices: ``g (1 - (1 - 1/g)^k)`` [-].

    Source: expectation of an occupancy problem. Group-limited routing hits fewer nodes than this.

    Examples
    --------
    >>> round(distinct_groups(8, 4), 3), distinct_groups(8, 1)
    (3.6, 1.0)
    """
    return groups * (1.0 - float((1.0 - 1.0 / groups) ** choices))


def throughput_copies(experts_per_token: int, ep: int, domain_gpus: int) -> Copies:
    """Copies with one per node over the NIC and one per GPU over NVLink, as DeepEP's normal kernels do.

    Examples
    --------
    >>> throughput_copies(8, 8, 8).nic, round(throughput_copies(8, 32, 8).nic, 2)    # 3/4 of 3.6 nodes
    (0.0, 2.7)
    """
    require_positive("ep", ep)
    nodes = max(1.0, ep / domain_gpus)
    gpus = distinct_groups(experts_per_token, ep)
    return Copies(gpus * (ep - 1) / ep, distinct_groups(experts_per_token, nodes) * (nodes - 1) / nodes)


def low_latency_copies(experts_per_token: int, ep: int, domain_gpus: int) -> Copies:
    """Copies with one per chosen expert, as DeepEP's low-latency kernels send them.

    Examples
    --------
    >>> low_latency_copies(8, 8, 8), low_latency_copies(8, 64, 8)
    (Copies(scale_up=7.0, nic=0.0), Copies(scale_up=0.875, nic=7.0))
    """
    require_positive("ep", ep)
    inside = min(ep, domain_gpus)
    return Copies(experts_per_token * (inside - 1) / ep, experts_per_token * (ep - inside) / ep)


def dispatch_bytes_per_value(weight_bytes_per_value: float) -> float:
    """Bytes of one value on its way to experts: fp8 with scales for weights of 8 bits or less, else 16 [B].

    Examples
    --------
    >>> dispatch_bytes_per_value(1.0), dispatch_bytes_per_value(2.0)
    (1.03125, 2.0)
    """
    return 1.0 + 4.0 / SCALE_BLOCK if weight_bytes_per_value <= 1.0 else COMBINE_BYTES


def all_to_all_s(
    tokens: Any,
    copies: Copies,
    token_bytes: float,
    scale_up_bytes_per_s: float,
    nic_bytes_per_s: float,
    latency_s: float,
) -> Any:
    """Dispatch and combine of one layer: two starts, and the bytes over the slower of NVLink and NIC [s].

    Parameters
    ----------
    tokens : float or array
        Tokens of the GPU that sends most [tok].
    copies : Copies
        [-].
    token_bytes : float
        Bytes of one copy, there and back [B].
    scale_up_bytes_per_s, nic_bytes_per_s : float
        Reached by one GPU, one direction [B/s].
    latency_s : float
        Start-up of each of the two [s].

    Notes
    -----
    Forwarding on NVLink is pipelined with the NIC in DeepEP, so the slower one counts.

    Source: Hockney's model on the routes of DeepEP.

    Examples
    --------
    128 tokens of 7168 values within a node of H800 (200 GB/s, 0.8 of it reached): DeepEP measured
    77 + 114 us.

    >>> there_and_back = 7168 * (1.03125 + 2.0)
    >>> round(all_to_all_s(128, low_latency_copies(8, 8, 8), there_and_back, 160e9, 40e9, 20e-6) * 1e6)
    162
    """
    slowest = copies.scale_up / scale_up_bytes_per_s
    if copies.nic:
        slowest = max(slowest, copies.nic / nic_bytes_per_s)
    return 2.0 * latency_s + tokens * token_bytes * slowest
