"""What kernels reach on one GPU: peak rates times the factors."""

from __future__ import annotations

from dataclasses import dataclass

from pdplan.latency.factors import RooflineFactors, efficiency_at, matrix_flops_per_s
from pdplan.latency.shape import Device


@dataclass(frozen=True, slots=True)
class Rates:
    """What kernels reach on one GPU [FLOP/s], [B/s]."""

    gemm_flops_per_s: float
    attention_flops_per_s: float
    memory_bytes_per_s: float
    link_bytes_per_s: float


def achieved_rates(device: Device, weights_dtype: str, factors: RooflineFactors) -> Rates:
    """Peak rates of ``device`` times the factors.

    Examples
    --------
    >>> h100 = Device({"bf16": 989.4e12}, 80e9, 3.35e12, 450e9)
    >>> rates = achieved_rates(h100, "bf16", RooflineFactors())
    >>> round(rates.gemm_flops_per_s / 1e12), round(rates.memory_bytes_per_s / 1e9)
    (702, 2680)
    """
    f = factors
    gemm = matrix_flops_per_s(device, weights_dtype)
    attention = matrix_flops_per_s(device, "bf16")
    return Rates(
        gemm * efficiency_at(gemm, f.compute_efficiency, f.compute_efficiency_per_decade),
        attention * efficiency_at(attention, f.attention_efficiency, f.attention_efficiency_per_decade),
        device.memory_bytes_per_s * f.memory_efficiency,
        device.scale_up_bytes_per_s * f.scale_up_efficiency,
    )
