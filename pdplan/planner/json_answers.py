"""What `plan`, `split` and `validate` answer as JSON, an honest no included: the same from every face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pdplan.errors import EXIT_NO, EXIT_OK, InfeasibleError
from pdplan.planner.answer import Plan
from pdplan.planner.json_text import document_text, refusal_document
from pdplan.planner.sizing import plan
from pdplan.planner.verdicts import split
from pdplan.spec.scenario import Scenario


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A document, and the code that the command that prints it ends with."""

    document: dict[str, Any]
    exit_code: int = EXIT_OK

    @property
    def text(self) -> str:
        """Return the document as it is printed."""
        return document_text(self.document)


def plan_answer(
    scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0
) -> JsonAnswer:
    """Return what ``pdplan plan --json --brief`` prints: the plan alone.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> answer = plan_answer(builtin_scenario(), verify=False)
    >>> answer.document["schema"], answer.exit_code
    ('pdplan.plan/1', 0)
    """
    return _planned(Plan.document, scenario, verify, requests, seed)


def full_plan_answer(
    scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0
) -> JsonAnswer:
    """Return what ``pdplan plan --json`` prints: the plan and what stands around it, which takes seconds.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.
    """
    return _planned(Plan.full_document, scenario, verify, requests, seed)


def _planned(
    show: Callable[[Plan], dict[str, Any]], scenario: Scenario, verify: bool, requests: int | None, seed: int
) -> JsonAnswer:
    return honest_answer(
        "plan", lambda: JsonAnswer(show(plan(scenario, verify=verify, requests=requests, seed=seed)))
    )


def split_answer(
    scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0
) -> JsonAnswer:
    """Return what ``pdplan split --json`` prints.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.
    """
    return honest_answer(
        "split", lambda: JsonAnswer(split(scenario, verify=verify, requests=requests, seed=seed).document())
    )


def validate_answer(scenario: Scenario, *, requests: int | None = None, seed: int = 0) -> JsonAnswer:
    """Return what ``pdplan validate --json`` prints.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.
    """
    from pdplan.planner.validation import validate  # the engine loads here

    def answer() -> JsonAnswer:
        number = {} if requests is None else {"requests": requests}
        result = validate(scenario, seed=seed, **number)
        return JsonAnswer(result.document(), EXIT_OK if result else EXIT_NO)

    return honest_answer("validate", answer)


def honest_answer(command: str, answer: Callable[[], JsonAnswer]) -> JsonAnswer:
    """Return an answer; where there is none, the document of that honest no.

    Examples
    --------
    >>> def nothing_fits() -> JsonAnswer:
    ...     raise InfeasibleError("no prefill instance is possible")
    >>> answer = honest_answer("plan", nothing_fits)
    >>> answer.document["feasible"], answer.exit_code
    (False, 1)
    """
    try:
        return answer()
    except InfeasibleError as error:
        return JsonAnswer(refusal_document(error, command), EXIT_NO)
