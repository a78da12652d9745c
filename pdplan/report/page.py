"""A plan as one HTML page: answer, reasons, pictures, validation, assumptions, and how to get it again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pdplan.planner.plot_latency import visible_parts
from pdplan.planner.ttft_parts import PARTS
from pdplan.plotting import require_matplotlib
from pdplan.report.assumptions import MEANINGS, inputs_of
from pdplan.report.cost_curve import cost_curve
from pdplan.report.figures import (
    Picture,
    cost_picture,
    law_picture,
    ledger_picture,
    loads_picture,
    parts_picture,
    validation_pictures,
)
from pdplan.report.reproduce import command, reads_files, scenario_yaml
from pdplan.report.show import Show
from pdplan.report.wording import answer, around, confidence, verdict_word

if TYPE_CHECKING:
    from jinja2 import Template

    from pdplan.planner.answer import Plan
    from pdplan.planner.validation import Validation
    from pdplan.sim.result import SimResult

#: Requests with which formulas are held against simulation, unless told otherwise.
VALIDATION_REQUESTS = 400_000


def report_html(plan: Plan, *, requests: int | None = None, seed: int = 0) -> str:
    """Return a plan as one self-contained HTML page: no script, nothing fetched, the same bytes every time.

    Every number on it is read from ``plan.document()`` (and that of a validation), so page and JSON agree.
    Formulas are held against a simulation of the fleet if the plan was verified. Takes a few seconds.

    Parameters
    ----------
    plan : Plan
    requests : int, optional
        As the plan was verified with; the validation simulates as many, 400,000 without it.
    seed : int
        As the plan was verified with.

    Raises
    ------
    InputError
        matplotlib is not installed.

    Examples
    --------
    >>> from pdplan import builtin_scenario, plan
    >>> text = report_html(plan(builtin_scenario()))  # doctest: +SKIP
    >>> text.startswith("<!DOCTYPE html>")  # doctest: +SKIP
    True
    """
    require_matplotlib()
    checked = _check(plan, VALIDATION_REQUESTS if requests is None else requests, seed)
    documents = {"plan": plan.document()}
    if checked is not None:
        documents["validation"] = checked.validation.document()
    show = Show(documents)
    return _template().render(
        style=files("pdplan.report").joinpath("templates/report.css").read_text(encoding="utf-8"),
        plan=plan,
        document=documents["plan"],
        validation=documents.get("validation"),
        show=show,
        answer=answer(plan, show),
        confidence=confidence(plan),
        around=around(plan),
        verdict_word=verdict_word,
        part_names=PARTS,
        visible_parts=visible_parts,
        checks=_checks(documents["plan"]),
        pictures=_pictures(plan, checked),
        inputs=inputs_of(plan),
        meanings=MEANINGS,
        scenario_yaml=scenario_yaml(plan.scenario),
        reads_files=reads_files(plan.scenario),
        command=command(plan.scenario, verified=plan.verification is not None, requests=requests, seed=seed),
    )


@dataclass(frozen=True, eq=False)
class _Checked:
    """A simulation of the plan's fleet, and the formulas held against it."""

    result: SimResult
    validation: Validation


def _check(plan: Plan, requests: int, seed: int) -> _Checked | None:
    """Simulate the fleet of a plan that was verified."""
    if plan.verification is None:
        return None
    from pdplan.planner.simulated import simulate_fleet  # the engine loads here
    from pdplan.planner.validation import compared

    fleet = plan.basis.chosen
    result = simulate_fleet(fleet, requests, seed)
    return _Checked(result, compared(plan.scenario, fleet, result, seed=seed, requests=requests))


def _pictures(plan: Plan, checked: _Checked | None) -> dict[str, Any]:
    """Draw every figure of the page."""
    seen = None if checked is None else checked.result
    laws: list[list[Picture]] = []
    for i, c in enumerate(plan.classes):
        drawn = (law_picture(c, metric, seen, f"law{i}{metric}") for metric in ("ttft", "tpot"))
        laws.append([p for p in drawn if p is not None])
    return {
        "laws": laws,
        "parts": parts_picture(plan.classes),
        "loads": loads_picture(plan),
        "ledgers": [ledger_picture(v, f"ledger{i}") for i, v in enumerate(plan.verdicts)],
        "cost": cost_picture(cost_curve(plan)),
        "validation": [] if checked is None else validation_pictures(checked.validation),
    }


def _checks(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Where the simulated value of each objective is, by class and target."""
    verification = document["verification"]
    if verification is None:
        return {}
    return {
        (row["class"], row["target"]): f"/verification/objectives/{i}"
        for i, row in enumerate(verification["objectives"])
    }


@cache
def _template() -> Template:
    """Load the template; every text that goes in is escaped, a name that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pdplan.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2")
