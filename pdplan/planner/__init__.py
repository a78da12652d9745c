"""Compose the floors below into answers: plan, split, and the working behind them."""

from pdplan.planner.answer import Plan
from pdplan.planner.infeasible import InfeasiblePlanError
from pdplan.planner.size import plan
from pdplan.planner.verdicts import SplitReport, split

__all__ = ["InfeasiblePlanError", "Plan", "SplitReport", "plan", "split"]
