"""Plain CSV of end-to-end runs: one row for each benchmark.

Columns: ``prompt_tokens`` (or ``isl``) and ``output_tokens`` (or ``osl``), the means [tok]; ``request_rate``
(or ``rate``) [1/s], or ``concurrency``; ``ttft``, ``tpot``, ``itl``, ``e2e`` with ``_mean``, ``_p50``,
``_p90``, ``_p95``, ``_p99`` and the unit, as in ``ttft_mean_ms`` or ``tpot_p99_s``; and as they are known
``requests`` (or ``n_requests``), ``throughput`` (or ``req_throughput``) [1/s], ``tp`` (or ``tp_p`` and
``tp_d``), ``prefill_instances`` (or ``P``), ``decode_instances`` (or ``D``), ``label``, ``source``,
``model``, ``accelerator``, ``engine``. A column ``ttft_usable`` of 0 leaves TTFT out.
"""

from __future__ import annotations

from typing import Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.offered import offered_load
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import choose
from pdplan.interop.benchmarks.table import Record, has_time, last_line_open, records, unit_sentence
from pdplan.interop.benchmarks.values import NAMES
from pdplan.latency.measured import Measurements, ServingRun, Spread

_STEMS: Final = ("ttft", "tpot", "itl", "e2e")


def recognise(document: Document) -> bool:
    """Whether the header has lengths and statistics of a latency."""
    header = document.header
    lengths = ("isl" in header or "prompt_tokens" in header) and (
        "osl" in header or "output_tokens" in header
    )
    return lengths and any(has_time(header, f"{s}_{n}") for s in _STEMS for n in NAMES)


def read(document: Document, select: Select) -> Measurements:
    """Read the runs of one system.

    Raises
    ------
    InputError
        A broken row, a row without a latency, or several systems and no choice.
    """
    rows = choose(records(document), Record.system, select, document.source)
    corrections = unit_sentence(document.header, *(f"{s}_{n}" for s in _STEMS for n in NAMES))
    unusable = sum(row.text("ttft_usable") in ("0", "false") for row in rows)
    if unusable:
        corrections.append(f"TTFT of {unusable} rows left out, as their column ttft_usable says.")
    runs = tuple(_run(row, number, corrections) for number, row in enumerate(rows, start=1))
    source, model, accelerator, engine = rows[0].system()
    return Measurements(
        tool="plain CSV of runs" + (f" ({source})" if source else ""),
        source=document.source,
        runs=runs,
        model=model or None,
        accelerator=accelerator or None,
        engine=engine or None,
        corrections=tuple(dict.fromkeys(corrections + last_line_open(document))),
    )


def _run(row: Record, number: int, corrections: list[str]) -> ServingRun:
    spreads = {stem: _spread(row, stem) for stem in _STEMS}
    if row.text("ttft_usable") in ("0", "false"):
        spreads["ttft"] = Spread()
    if all(found == Spread() for found in spreads.values()):
        raise InputError(f"{row.where}: no latency: fill at least one, as in ttft_mean_ms")
    rate, cap = row.number("request_rate", "rate"), row.number("concurrency")
    if rate == 0 or cap == 0:
        raise InputError(
            f"{row.where}: a rate or concurrency of 0 offers nothing: leave the cell empty or give it"
        )
    throughput = row.number("throughput", "req_throughput")
    requests = int(row.number("requests", "n_requests") or 0)
    e2e = spreads["e2e"].mean
    in_flight = throughput * e2e if throughput and e2e else None
    rate, concurrency = offered_load(rate, cap, in_flight, requests or 10**9, f"Run {number}: ", corrections)
    degrees = {row.number(name) for name in ("tp", "tp_p", "tp_d") if row.number(name)}
    return ServingRun(
        requests=requests,
        prompt_tokens=row.need("prompt_tokens", "isl", least=1),
        output_tokens=row.need("output_tokens", "osl", least=1),
        request_rate=rate,
        concurrency=concurrency,
        throughput=throughput,
        ttft=spreads["ttft"],
        tpot=spreads["tpot"],
        itl=spreads["itl"],
        e2e=spreads["e2e"],
        tp=int(degrees.pop() or 1) if len(degrees) == 1 else None,
        prefill_instances=row.number("prefill_instances", "P") or None,
        decode_instances=row.number("decode_instances", "D") or None,
        label=row.text("label", "note") or f"run {number}",
    )


def _spread(row: Record, stem: str) -> Spread:
    return Spread(**{name: row.seconds(f"{stem}_{name}") for name in NAMES})


READER: Final = Reader(
    "plain CSV of runs",
    "columns prompt_tokens, output_tokens, concurrency or request_rate, ttft_mean_ms",
    recognise,
    read,
)
