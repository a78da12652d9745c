"""What the experts' layers of an instance with several attention ranks send around, per step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency import terms
from pdplan.latency.all_to_all import (
    COMBINE_BYTES,
    Copies,
    all_to_all_s,
    dispatch_bytes_per_value,
    low_latency_copies,
    throughput_copies,
)
from pdplan.latency.expert_parallel import hidden_s
from pdplan.latency.factors import RooflineFactors
from pdplan.latency.parameters import bytes_per_value
from pdplan.latency.rates import Rates
from pdplan.latency.shape import Device, ModelShape


@dataclass(frozen=True, slots=True)
class Exchange:
    """Dispatch and combine of all mixture-of-experts layers, or gather and scatter where ``ep`` is 1."""

    layers: int
    hidden: int
    tp: int
    gpus: int
    ep: int
    throughput: Copies
    low_latency: Copies
    token_bytes: float
    scale_up_bytes_per_s: float
    nic_bytes_per_s: float
    factors: RooflineFactors

    def seconds(self, rank_tokens: Any, routed_tokens: Any, launched: float) -> Any:
        """Time of a step's exchange [s]; prefill (``launched``) takes throughput kernels, decode low-latency.

        ``rank_tokens``: of the fullest rank; ``routed_tokens``: of the instance, were all its GPUs asked as
        often as the busiest [tok].
        """
        latency = self.factors.all_to_all_latency_s
        if self.ep == 1:  # every GPU has a slice of every expert and needs all tokens: gather, then scatter
            half = terms.all_reduce_bytes(routed_tokens, self.hidden, COMBINE_BYTES, self.gpus) / 2
            start = self.factors.all_reduce_latency_s
            return terms.all_reduce_s(half, self.scale_up_bytes_per_s, start, 2 * self.layers)
        # The busiest GPU is of the fullest rank, which sends most, or of hot experts, which are sent most.
        tokens = np.maximum(np.asarray(rank_tokens) / self.tp, np.asarray(routed_tokens) / self.gpus)
        copies = self.throughput if launched else self.low_latency
        return self.layers * all_to_all_s(
            tokens, copies, self.token_bytes, self.scale_up_bytes_per_s, self.nic_bytes_per_s, latency
        )

    def hidden_s(self, exchange_s: Any, device_s: Any, rank_tokens: Any) -> Any:
        """What of it two-batch overlap hides behind computing [s]."""
        if self.ep == 1:
            return 0.0
        f = self.factors
        return hidden_s(
            exchange_s,
            device_s,
            np.asarray(rank_tokens) / self.tp,
            f.all_to_all_overlap,
            f.overlap_from_tokens,
            f.overlap_full_tokens,
        )


def exchange_of(
    shape: ModelShape,
    device: Device,
    rates: Rates,
    factors: RooflineFactors,
    degrees: tuple[int, int, int],
    weights_dtype: str,
    nic_bytes_per_s: float,
) -> Exchange | None:
    """Return the exchange of an instance, None where one rank does all attention.

    Parameters
    ----------
    degrees : (int, int, int)
        tp, dp_attention, ep [-].
    nic_bytes_per_s : float
        Network rate of one GPU, one direction [B/s]; 0 where there is none.

    Raises
    ------
    InputError
        The experts lie beyond the scale-up domain, and there is no network, or ``ep`` is 1.
    """
    tp, dp_attention, ep = degrees
    if dp_attention == 1:
        return None
    assert shape.moe is not None
    gpus, domain = tp * dp_attention, device.scale_up_gpus
    if gpus > domain and ep == 1:
        raise InputError(
            f"tp {tp} x dp_attention {dp_attention} leaves the scale-up domain of {domain} GPUs: "
            f"set ep to {gpus}"
        )
    if gpus > domain and nic_bytes_per_s <= 0:
        raise InputError(
            f"ep is {ep}: beyond the scale-up domain of {domain} GPUs it needs a network: name its rate"
        )
    k = shape.moe.experts_per_token
    values = dispatch_bytes_per_value(bytes_per_value(weights_dtype)) + COMBINE_BYTES
    return Exchange(
        shape.layers - shape.moe.dense_layers,
        shape.hidden,
        tp,
        gpus,
        ep,
        throughput_copies(k, ep, domain),
        low_latency_copies(k, ep, domain),
        shape.hidden * values,
        rates.link_bytes_per_s,
        nic_bytes_per_s * factors.nic_efficiency,
        factors,
    )
