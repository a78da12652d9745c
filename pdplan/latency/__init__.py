"""How long one prefill and one decode step of one instance take: roofline, fitted, tabulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.latency.breakdown import Breakdown
    from pdplan.latency.factors import RooflineFactors
    from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    from pdplan.latency.memory import MemoryFit, memory_fit, smallest_tp
    from pdplan.latency.model import LatencyModel, prompt_prefill_s
    from pdplan.latency.profile import LatencyProfile, load_profile
    from pdplan.latency.roofline import Roofline
    from pdplan.latency.scaling import prefill_saturation_tokens, speedup
    from pdplan.latency.shape import BYTES_PER_VALUE, Device, Dtype, MlaShape, ModelShape, MoeShape
    from pdplan.latency.table import DecodeCurve, Tabulated
    from pdplan.latency.validity import validity_notes

__all__ = [
    "BYTES_PER_VALUE",
    "Breakdown",
    "DecodeCurve",
    "DecodeFit",
    "Device",
    "Dtype",
    "Fitted",
    "LatencyModel",
    "LatencyProfile",
    "MemoryFit",
    "MlaShape",
    "ModelShape",
    "MoeShape",
    "PrefillFit",
    "Roofline",
    "RooflineFactors",
    "Tabulated",
    "load_profile",
    "memory_fit",
    "prefill_saturation_tokens",
    "prompt_prefill_s",
    "smallest_tp",
    "speedup",
    "validity_notes",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BYTES_PER_VALUE": "pdplan.latency.shape",
        "Breakdown": "pdplan.latency.breakdown",
        "DecodeCurve": "pdplan.latency.table",
        "DecodeFit": "pdplan.latency.fitted",
        "Device": "pdplan.latency.shape",
        "Dtype": "pdplan.latency.shape",
        "Fitted": "pdplan.latency.fitted",
        "LatencyModel": "pdplan.latency.model",
        "LatencyProfile": "pdplan.latency.profile",
        "MemoryFit": "pdplan.latency.memory",
        "MlaShape": "pdplan.latency.shape",
        "ModelShape": "pdplan.latency.shape",
        "MoeShape": "pdplan.latency.shape",
        "PrefillFit": "pdplan.latency.fitted",
        "Roofline": "pdplan.latency.roofline",
        "RooflineFactors": "pdplan.latency.factors",
        "Tabulated": "pdplan.latency.table",
        "load_profile": "pdplan.latency.profile",
        "memory_fit": "pdplan.latency.memory",
        "prefill_saturation_tokens": "pdplan.latency.scaling",
        "prompt_prefill_s": "pdplan.latency.model",
        "smallest_tp": "pdplan.latency.memory",
        "speedup": "pdplan.latency.scaling",
        "validity_notes": "pdplan.latency.validity",
    },
)
