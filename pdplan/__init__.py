"""pdplan: analytical capacity planner for LLM serving with prefill/decode disaggregation.

>>> import pdplan
>>> scenario = pdplan.builtin_scenario()
>>> plan = pdplan.plan(scenario)
>>> plan.fleet.status
'met'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pdplan._version import __version__

if TYPE_CHECKING:
    from pdplan.errors import InfeasibleError, InputError, PdplanError
    from pdplan.planner import InfeasiblePlanError, Plan, SplitReport, plan, split
    from pdplan.spec.builtin import builtin_scenario
    from pdplan.spec.scenario import Scenario
    from pdplan.trust import Trust

__all__ = [
    "InfeasibleError",
    "InfeasiblePlanError",
    "InputError",
    "PdplanError",
    "Plan",
    "Scenario",
    "SplitReport",
    "Trust",
    "__version__",
    "builtin_scenario",
    "plan",
    "split",
]

#: public name -> module that has it; imported when first used, so that ``import pdplan`` costs nothing
_HOME = {
    "InfeasibleError": "pdplan.errors",
    "InfeasiblePlanError": "pdplan.planner",
    "InputError": "pdplan.errors",
    "PdplanError": "pdplan.errors",
    "Plan": "pdplan.planner",
    "Scenario": "pdplan.spec.scenario",
    "SplitReport": "pdplan.planner",
    "Trust": "pdplan.trust",
    "builtin_scenario": "pdplan.spec.builtin",
    "plan": "pdplan.planner",
    "split": "pdplan.planner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdplan' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
