"""pdplan: analytical capacity planner for LLM serving with prefill/decode disaggregation.

>>> import pdplan
>>> scenario = pdplan.builtin_scenario()
>>> plan = pdplan.plan(scenario)
>>> plan.fleet.status
'met'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan._version import __version__
from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.errors import InfeasibleError, InputError, PdplanError
    from pdplan.planner import (
        BreakEvenReport,
        DesignReport,
        Doubt,
        GoodputReport,
        InfeasiblePlanError,
        Pareto,
        Placement,
        Plan,
        Prediction,
        Sensitivity,
        Spares,
        SplitReport,
        SweepResult,
        Validation,
        break_evens,
        designs,
        doubt,
        goodput,
        pareto,
        placement,
        plan,
        predict,
        sensitivity,
        simulate,
        spares,
        split,
        sweep,
        validate,
    )
    from pdplan.planner.replan import Replan, replan
    from pdplan.planner.schedule import Schedule, schedule
    from pdplan.planner.schedule_profile import RateProfile
    from pdplan.sim.result import SimResult
    from pdplan.spec.builtin import builtin_scenario
    from pdplan.spec.scenario import Scenario
    from pdplan.trust import Trust

__all__ = [
    "BreakEvenReport",
    "DesignReport",
    "Doubt",
    "GoodputReport",
    "InfeasibleError",
    "InfeasiblePlanError",
    "InputError",
    "Pareto",
    "PdplanError",
    "Placement",
    "Plan",
    "Prediction",
    "RateProfile",
    "Replan",
    "Scenario",
    "Schedule",
    "Sensitivity",
    "SimResult",
    "Spares",
    "SplitReport",
    "SweepResult",
    "Trust",
    "Validation",
    "__version__",
    "break_evens",
    "builtin_scenario",
    "designs",
    "doubt",
    "goodput",
    "pareto",
    "placement",
    "plan",
    "predict",
    "replan",
    "schedule",
    "sensitivity",
    "simulate",
    "spares",
    "split",
    "sweep",
    "validate",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BreakEvenReport": "pdplan.planner",
        "DesignReport": "pdplan.planner",
        "Doubt": "pdplan.planner",
        "GoodputReport": "pdplan.planner",
        "InfeasibleError": "pdplan.errors",
        "InfeasiblePlanError": "pdplan.planner",
        "InputError": "pdplan.errors",
        "Pareto": "pdplan.planner",
        "PdplanError": "pdplan.errors",
        "Placement": "pdplan.planner",
        "Plan": "pdplan.planner",
        "Prediction": "pdplan.planner",
        "RateProfile": "pdplan.planner.schedule_profile",
        "Replan": "pdplan.planner.replan",
        "Scenario": "pdplan.spec.scenario",
        "Schedule": "pdplan.planner.schedule",
        "Sensitivity": "pdplan.planner",
        "SimResult": "pdplan.sim.result",
        "Spares": "pdplan.planner",
        "SplitReport": "pdplan.planner",
        "SweepResult": "pdplan.planner",
        "Trust": "pdplan.trust",
        "Validation": "pdplan.planner",
        "break_evens": "pdplan.planner",
        "builtin_scenario": "pdplan.spec.builtin",
        "designs": "pdplan.planner",
        "doubt": "pdplan.planner",
        "goodput": "pdplan.planner",
        "pareto": "pdplan.planner",
        "placement": "pdplan.planner",
        "plan": "pdplan.planner",
        "predict": "pdplan.planner",
        "replan": "pdplan.planner.replan",
        "schedule": "pdplan.planner.schedule",
        "sensitivity": "pdplan.planner",
        "simulate": "pdplan.planner",
        "spares": "pdplan.planner",
        "split": "pdplan.planner",
        "sweep": "pdplan.planner",
        "validate": "pdplan.planner",
    },
)
