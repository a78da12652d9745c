"""Compose the floors below into answers: plan, split, validate, simulate, and the working behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.break_even import break_evens
    from pdplan.planner.break_even_answer import BreakEvenReport
    from pdplan.planner.designs_report import DesignReport
    from pdplan.planner.designs_search import designs
    from pdplan.planner.doubt_answer import Doubt
    from pdplan.planner.doubt_report import doubt
    from pdplan.planner.goodput_report import GoodputReport, goodput
    from pdplan.planner.infeasible import InfeasiblePlanError
    from pdplan.planner.pareto_frames import pareto
    from pdplan.planner.pareto_report import Pareto
    from pdplan.planner.placement_algorithms import placement
    from pdplan.planner.placement_report import Placement
    from pdplan.planner.predict_report import Prediction, predict
    from pdplan.planner.sensitivity_report import Sensitivity, sensitivity
    from pdplan.planner.simulation import simulate
    from pdplan.planner.sizing import plan, size, verified
    from pdplan.planner.spares_report import Spares, spares
    from pdplan.planner.sweep_grid import SweepResult, sweep
    from pdplan.planner.validation import Validation, validate
    from pdplan.planner.verdicts import SplitReport, split
    from pdplan.planner.verification import Verification, verify

__all__ = [
    "BreakEvenReport",
    "DesignReport",
    "Doubt",
    "GoodputReport",
    "InfeasiblePlanError",
    "Pareto",
    "Placement",
    "Plan",
    "Prediction",
    "Sensitivity",
    "Spares",
    "SplitReport",
    "SweepResult",
    "Validation",
    "Verification",
    "break_evens",
    "designs",
    "doubt",
    "goodput",
    "pareto",
    "placement",
    "plan",
    "predict",
    "sensitivity",
    "simulate",
    "size",
    "spares",
    "split",
    "sweep",
    "validate",
    "verified",
    "verify",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BreakEvenReport": "pdplan.planner.break_even_answer",
        "DesignReport": "pdplan.planner.designs_report",
        "Doubt": "pdplan.planner.doubt_answer",
        "GoodputReport": "pdplan.planner.goodput_report",
        "InfeasiblePlanError": "pdplan.planner.infeasible",
        "Pareto": "pdplan.planner.pareto_report",
        "Placement": "pdplan.planner.placement_report",
        "Plan": "pdplan.planner.answer",
        "Prediction": "pdplan.planner.predict_report",
        "Sensitivity": "pdplan.planner.sensitivity_report",
        "Spares": "pdplan.planner.spares_report",
        "SplitReport": "pdplan.planner.verdicts",
        "SweepResult": "pdplan.planner.sweep_grid",
        "Validation": "pdplan.planner.validation",
        "Verification": "pdplan.planner.verification",
        "break_evens": "pdplan.planner.break_even",
        "designs": "pdplan.planner.designs_search",
        "doubt": "pdplan.planner.doubt_report",
        "goodput": "pdplan.planner.goodput_report",
        "pareto": "pdplan.planner.pareto_frames",
        "placement": "pdplan.planner.placement_algorithms",
        "plan": "pdplan.planner.sizing",
        "predict": "pdplan.planner.predict_report",
        "sensitivity": "pdplan.planner.sensitivity_report",
        "simulate": "pdplan.planner.simulation",
        "size": "pdplan.planner.sizing",
        "spares": "pdplan.planner.spares_report",
        "split": "pdplan.planner.verdicts",
        "sweep": "pdplan.planner.sweep_grid",
        "validate": "pdplan.planner.validation",
        "verified": "pdplan.planner.sizing",
        "verify": "pdplan.planner.verification",
    },
)
