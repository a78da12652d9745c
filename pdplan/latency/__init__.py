"""How long one prefill and one decode step of one instance take: roofline, fitted, tabulated."""

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
