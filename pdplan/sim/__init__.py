"""The discrete-event engine, its results, and the simulators that people know by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.sim.config import ColocatedConfig, DecodePool, KvLink, KvMemory, PdConfig, PrefillPool
    from pdplan.sim.disaggregated import DisaggregatedRun, simulate_disaggregated
    from pdplan.sim.result import SimResult
    from pdplan.sim.result_parts import Target
    from pdplan.sim.run import run_colocated, run_pd
    from pdplan.sim.seed_sim import disaggregated_serving_sim
    from pdplan.sim.stream import Stream

__all__ = [
    "ColocatedConfig",
    "DecodePool",
    "DisaggregatedRun",
    "KvLink",
    "KvMemory",
    "PdConfig",
    "PrefillPool",
    "SimResult",
    "Stream",
    "Target",
    "disaggregated_serving_sim",
    "run_colocated",
    "run_pd",
    "simulate_disaggregated",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ColocatedConfig": "pdplan.sim.config",
        "DecodePool": "pdplan.sim.config",
        "DisaggregatedRun": "pdplan.sim.disaggregated",
        "KvLink": "pdplan.sim.config",
        "KvMemory": "pdplan.sim.config",
        "PdConfig": "pdplan.sim.config",
        "PrefillPool": "pdplan.sim.config",
        "SimResult": "pdplan.sim.result",
        "Stream": "pdplan.sim.stream",
        "Target": "pdplan.sim.result_parts",
        "disaggregated_serving_sim": "pdplan.sim.seed_sim",
        "run_colocated": "pdplan.sim.run",
        "run_pd": "pdplan.sim.run",
        "simulate_disaggregated": "pdplan.sim.disaggregated",
    },
)
