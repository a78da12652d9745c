"""`pdplan workload describe`, `import` and `generate`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from pdplan.cli.output import print_json, width
from pdplan.cli.workload_text import described
from pdplan.errors import InputError
from pdplan.units import parse
from pdplan.workload import (
    Requests,
    Trace,
    Workload,
    describe_trace,
    load_workload,
    read_trace,
    requests_for,
    trace_document,
    trace_workload,
    write_trace,
)

_BLOCKS: Final = re.compile(r"\s*([\d_,.]+)\s*blocks?\s*", re.IGNORECASE)
_BAD_ROW: Final = re.compile(r", line \d+: ")
_REQUESTS: Final = 10_000


def describe(source: str, *, window: str, cache: str | None, skip_bad_rows: bool, as_json: bool) -> None:
    """Print what a trace holds."""
    window_s = parse(window, "time", what="--window")
    if window_s <= 0:
        raise InputError(f"--window is {window}: give a time above 0")
    trace = _read(source, skip_bad_rows)
    measured = describe_trace(trace, window_s=window_s, cache_tokens=_cache_tokens(cache, trace))
    if as_json:
        print_json({"schema": "pdplan.workload/1", **trace_document(trace, measured)})
    else:
        print(described(trace, measured, width()))


def import_trace(source: str, *, output: str | None, name: str | None, skip_bad_rows: bool) -> None:
    """Write the workload document of a trace."""
    if output is not None and Path(output).suffix not in (".yaml", ".yml"):
        raise InputError(f"--output is {output}: a workload is YAML, so its name must end in .yaml")
    trace = _read(source, skip_bad_rows)
    named = name or ("trace" if source == "-" else Path(source).name.split(".")[0])
    text = trace_workload(trace, named)
    if output is None:
        sys.stdout.write(text)
        return
    from pdplan.sim.result_files import whole_file

    with whole_file(Path(output)) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{output}: workload {named} of {len(trace):,} requests ({trace.format})", file=sys.stderr)


def generate(
    source: str,
    *,
    output: str | None,
    rate: str | None,
    requests: int | None,
    duration: str | None,
    trace_format: str | None,
    seed: int,
) -> None:
    """Write a synthetic trace."""
    wanted = trace_format or _format_of(output)
    workload = _workload(source)
    if requests is not None and duration is not None:
        raise InputError("--requests and --duration are both given: keep one")
    if requests is None and duration is None:
        requests = len(workload.trace) if workload.trace is not None else _REQUESTS
    drawn, words = requests_for(
        workload,
        rate=None if rate is None else parse(rate, "rate", what="--rate"),
        requests=requests,
        duration_s=None if duration is None else parse(duration, "time", what="--duration"),
        seed=seed,
    )
    _write(drawn, output, wanted)
    where = "" if output is None else f"{output}: "
    print(f"{where}{drawn.arrival_s.size:,} requests like {workload.name}; {words}", file=sys.stderr)


def _read(source: str, skip_bad_rows: bool) -> Trace:
    try:
        return read_trace(source, bad_rows="skip" if skip_bad_rows else "stop")
    except InputError as error:
        if _BAD_ROW.search(str(error)) and not skip_bad_rows:
            raise InputError(f"{error}; --skip-bad-rows leaves such rows out") from None
        raise


def _cache_tokens(cache: str | None, trace: Trace) -> float | None:
    if cache is None:
        return None
    match = _BLOCKS.fullmatch(cache)
    if match is None:
        return parse(cache, "tokens", what="--cache")
    return parse(match[1].replace(",", ""), "tokens", what="--cache") * (trace.block_tokens or 1)


def _workload(source: str) -> Workload:
    if source == "-" or Path(source).exists():
        return load_workload(source)
    from pdplan.errors import UnknownNameError
    from pdplan.spec.catalog import catalog_document

    try:
        return Workload.from_document(catalog_document("workloads", source))
    except UnknownNameError as error:
        raise UnknownNameError(f"{error}; nor is there a file of this name") from None


def _format_of(output: str | None) -> str:
    suffix = "" if output is None else Path(output).suffix
    if suffix not in ("", ".csv", ".jsonl"):
        raise InputError(f"--output is {output}: its name must end in .csv or .jsonl, or add --format")
    return "jsonl" if suffix == ".jsonl" else "csv"


def _write(drawn: Requests, output: str | None, trace_format: str) -> None:
    if output is None:
        write_trace(drawn, sys.stdout, trace_format)
        return
    from pdplan.sim.result_files import whole_file

    with whole_file(Path(output)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        write_trace(drawn, file, trace_format)
