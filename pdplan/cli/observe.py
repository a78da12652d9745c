"""`pdplan observe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pdplan.cli.output import load, print_json, width
from pdplan.errors import EXIT_NO, InputError
from pdplan.interop.prometheus import (
    PrometheusClient,
    observation_note,
    observe,
    workload_document,
    workload_text,
)
from pdplan.sim.result_files import whole_file
from pdplan.units import parse

if TYPE_CHECKING:
    from pdplan.interop.prometheus import BucketLaw, Observation
    from pdplan.planner.drift import DriftReport, ObservedTraffic
    from pdplan.spec.scenario import Scenario

_ALWAYS = (0.5, 0.99)


def run(
    url: str,
    *,
    window: str,
    scenario: str | None,
    overrides: tuple[str, ...],
    output: str | None,
    report: str | None,
    engine: str,
    selector: str,
    token_file: str | None,
    timeout: str,
    check: bool,
    as_json: bool,
) -> None:
    """Observe, compare with the plan if there is a scenario, print and write."""
    if scenario is None and (report is not None or check):
        raise InputError("--report and --check compare with a plan: give --scenario too")
    for path in (output, report):
        _writable(path)
    asked = None if scenario is None else load(scenario, overrides)
    timeout_s = parse(timeout, "time", what="--timeout")
    if timeout_s <= 0:
        raise InputError(f"--timeout is {timeout}: it must be longer than 0 s, such as 30 s")
    client = PrometheusClient(url, _token(token_file), timeout_s)
    seen = observe(client, parse(window, "time", what="--window"), engine=engine, selector=selector)
    if output is not None:
        _write(output, workload_text(workload_document(seen, Path(output).stem), seen.notes))
    if not as_json:
        # before the plan: what was seen stands whether or not there is a plan to compare it with
        print(observation_note(seen, width=width()))
    compared = None if asked is None else _compare(asked, seen)
    if compared is not None and report is not None:
        _write(report, json.dumps(compared.document(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if as_json:
        print_json({**seen.document(), "drift": None if compared is None else compared.document()})
    else:
        _print(compared, output, report)
    if check and compared is not None and compared.drifted:
        raise typer.Exit(EXIT_NO)


def _print(compared: DriftReport | None, output: str | None, report: str | None) -> None:
    from pdplan.planner.drift_note import drift_note

    if compared is not None:
        print()
        print(drift_note(compared, width=width()))
    written = [path for path in (output, report) if path is not None]
    if written:
        print(f"\nwritten: {', '.join(written)}")


def _compare(scenario: Scenario, seen: Observation) -> DriftReport:
    from pdplan.planner.drift import drift

    asked = {t.probability for c in scenario.classes for t in c.slo.targets}
    return drift(scenario, observed_traffic(seen, sorted({*_ALWAYS, *(p for p in asked if p is not None)})))


def observed_traffic(seen: Observation, percentiles: list[float]) -> ObservedTraffic:
    """Return an observation as the comparison takes it."""
    from pdplan.planner.drift import ObservedLatency, ObservedTraffic

    def latency(law: BucketLaw) -> ObservedLatency:
        rows = {p: (law.quantile(p), *law.bracket(p)) for p in percentiles}
        return ObservedLatency(law.mean, rows)

    dispersion: dict[Any, float] = dict(seen.arrivals.index_of_dispersion)
    return ObservedTraffic(
        requests=seen.requests,
        rate=seen.arrivals.rate,
        window_s=seen.arrivals.window_s,
        p99_rate=seen.arrivals.p99_rate,
        dispersion=dispersion[max(dispersion)] if dispersion else 1.0,
        prompt_tokens=seen.prompt.mean,
        prompt_scv=seen.prompt.scv,
        output_tokens=seen.output.mean,
        output_scv=seen.output.scv,
        prefix_hit=seen.prefix_hit,
        latencies={metric: latency(law) for metric, law in seen.latencies.items()},
    )


def _token(path: str | None) -> str | None:
    """Read a bearer token: one line of printable characters."""
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError as error:
        raise InputError(f"--token-file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text:
        raise InputError(
            f"--token-file {path} holds no token: one line of letters, digits and signs is needed"
        )
    return text


def _writable(path: str | None) -> None:
    """Refuse an output that cannot be before anything is asked."""
    if path is None:
        return
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder, or its folder does not exist")


def _write(path: str, text: str) -> None:
    with whole_file(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")
