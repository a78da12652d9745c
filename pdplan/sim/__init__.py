"""The discrete-event engine, and the simulators that people know by name."""

from pdplan.sim.disaggregated import DisaggregatedRun, simulate_disaggregated
from pdplan.sim.seed_sim import disaggregated_serving_sim

__all__ = ["DisaggregatedRun", "disaggregated_serving_sim", "simulate_disaggregated"]
