"""The discrete-event engine, and the simulators that people know by name."""

from pdplan.sim.seed_sim import disaggregated_serving_sim

__all__ = ["disaggregated_serving_sim"]
