"""What worker processes do; every task takes ``report``, which tells the parent how far it is."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pdplan.errors import PdplanError
from pdplan.spec.scenario import Scenario
from pdplan.web.guard import one_line, read_scenario
from pdplan.web.process import Report, TaskError

#: Requests that the page's Verify simulates, beyond those that check the objectives.
VERIFY_REQUESTS: Final = 200_000


def answer(
    report: Report, command: str, text: str, verify: bool, brief: bool, requests: int | None, seed: int
) -> tuple[str, int]:
    """Return what the command prints with ``--json``, and its exit code."""
    from pdplan.planner.json_answers import full_plan_answer, plan_answer, split_answer, validate_answer

    del report
    scenario = read_scenario(text)
    if command == "validate":
        found = validate_answer(scenario, requests=requests, seed=seed)
    else:
        plan = plan_answer if brief else full_plan_answer
        make = {"plan": plan, "split": split_answer}[command]
        found = make(scenario, verify=verify, requests=requests, seed=seed)
    return found.text, found.exit_code


# ---------------------------------------------------------------- the page's


def _scenario(text: str, folder: str) -> Scenario:
    """Return the page's scenario; it may name files that were uploaded to this server."""
    try:
        return read_scenario(text, files=os.listdir(folder), source=f"{folder}/scenario")
    except PdplanError as error:
        raise TaskError(_line(error, folder), error.exit_code) from None


def _line(error: Exception, folder: str) -> str:
    """Return a message without the place of uploads on this machine."""
    return one_line(str(error).replace(f"{folder}/", ""))


def _honest(text: str, folder: str, compute: Callable[[Scenario], dict[str, Any]]) -> dict[str, Any]:
    """Compute; an honest no is an answer too."""
    from pdplan.planner.json_answers import JsonAnswer, honest_answer

    scenario = _scenario(text, folder)
    try:
        return honest_answer("plan", lambda: JsonAnswer(compute(scenario))).document
    except PdplanError as error:
        raise TaskError(_line(error, folder), error.exit_code) from None


def quick(report: Report, text: str, folder: str, kinds: Any) -> dict[str, Any]:
    """Return the answer at once."""
    from pdplan.web.quick import quick_answer

    del report
    return _honest(text, folder, lambda scenario: quick_answer(scenario, kinds))


def full(report: Report, text: str, folder: str) -> dict[str, Any]:
    """Return the whole plan by formulas."""
    from pdplan.web.deep import full_answer

    del report
    return _honest(text, folder, full_answer)


def split_map(report: Report, text: str, folder: str, index: int) -> dict[str, Any]:
    """Return the map of verdicts of one class, column by column."""
    from pdplan.web.deep import verdict_map

    return _honest(text, folder, lambda scenario: verdict_map(report, scenario, index))


def frontier(report: Report, text: str, folder: str, gpus: int) -> dict[str, Any]:
    """Return the Pareto frontier."""
    from pdplan.web.deep import frontier as draw

    del report
    return _honest(text, folder, lambda scenario: draw(scenario, gpus))


def verify(report: Report, text: str, folder: str, seed: int) -> dict[str, Any]:
    """Return the plan checked by simulation, with simulated laws."""
    from pdplan.web.deep import verification

    return _honest(text, folder, lambda scenario: verification(report, scenario, VERIFY_REQUESTS, seed))


# ---------------------------------------------------------------- files in and out


def read_trace(report: Report, data: bytes, name: str) -> dict[str, Any]:
    """Return what an uploaded trace says of a class."""
    from pdplan.web.uploads import read_uploaded_trace

    del report
    return _on_file(data, name, lambda path: read_uploaded_trace(path, name))


def read_benchmark(
    report: Report, data: bytes, name: str, model: str, accelerator: str, folder: str
) -> dict[str, Any]:
    """Return the profile fitted to an uploaded benchmark file."""
    from pdplan.web.uploads import read_uploaded_benchmark

    del report
    return _on_file(data, name, lambda path: read_uploaded_benchmark(path, name, model, accelerator, folder))


def _on_file(data: bytes, name: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Read bytes as a file of that name; messages call it by its name alone."""
    with tempfile.TemporaryDirectory(prefix="pdplan-upload-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return read(str(path))
        except PdplanError as error:
            raise TaskError(_line(error, folder), error.exit_code) from None
        except TaskError as error:
            raise TaskError(_line(error, folder), error.exit_code) from None


def report_page(report: Report, text: str, folder: str, seed: int) -> str:
    """Return the report as one HTML file."""
    from pdplan.planner.sizing import plan
    from pdplan.report import report_html

    del report
    scenario = _scenario(text, folder)
    return report_html(plan(scenario, seed=seed), seed=seed)


def manifests(report: Report, text: str, folder: str, target: str) -> list[tuple[str, str]]:
    """Return the files of a deployment: (name, text)."""
    from pdplan.web.command import run_command

    del report
    _scenario(text, folder)  # names are checked before anything reads them
    printed = run_command("export", "-", "--to", target, "--json", text=text, folder=folder)
    return [(f["name"], f["text"]) for f in json.loads(printed)["files"]]


def plan_json(report: Report, text: str, folder: str, seed: int) -> str:
    """Return what ``pdplan plan --json --brief`` prints."""
    from pdplan.planner.json_answers import plan_answer

    del report
    return plan_answer(_scenario(text, folder), seed=seed).text


# ---------------------------------------------------------------- warming up


def warm_formulas(report: Report) -> None:
    """Load the planner and compute once."""
    from pdplan.planner.sizing import size
    from pdplan.spec.builtin import builtin_scenario
    from pdplan.web.quick import kinds_of, quick_answer

    sized = size(builtin_scenario())
    quick_answer(builtin_scenario(), kinds_of(sized.basis.best))
    report(None)


def warm_engine(report: Report) -> None:
    """Load the planner and the engine; compile what is not compiled yet."""
    from pdplan.planner.sizing import plan
    from pdplan.spec.builtin import builtin_scenario

    plan(builtin_scenario(), requests=1000)
    report(None)


TASKS: Final[dict[str, Callable[..., Any]]] = {
    task.__name__: task
    for task in (
        answer,
        quick,
        full,
        split_map,
        frontier,
        verify,
        read_trace,
        read_benchmark,
        report_page,
        manifests,
        plan_json,
        warm_formulas,
        warm_engine,
    )
}
