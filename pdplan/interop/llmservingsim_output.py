"""Write what LLMServingSim writes: a CSV row for each request in ns, and a line of log for each interval."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pdplan.errors import InputError
from pdplan.sim.cluster import ClusterRun, Interval, Role

CSV_FIELDS: Final = (
    "instance id",
    "request id",
    "model",
    "input",
    "output",
    "arrival",
    "end_time",
    "latency",
    "queuing_delay",
    "TTFT",
    "TPOT",
    "ITL",
)


def request_rows(run: ClusterRun, model_name: str, arrival_ns: Sequence[int]) -> Iterator[list[Any]]:
    """Yield the fields of each request in the order of `CSV_FIELDS`, times in whole ns.

    ``instance id`` is the instance that finished the request, ``queuing_delay`` runs to its first step, TTFT
    ends with the first token (which prefill emits), TPOT is ``(latency - TTFT) // (output - 1)`` or 0, and
    ITL lists the gaps, of which the first after a hand-over holds the transfer.
    """
    for i, arrival in enumerate(arrival_ns):
        tokens = np.rint(run.token_s[i] * 1e9).astype(np.int64)
        output, end = int(run.output_tokens[i]), int(tokens[-1])
        ttft = int(tokens[0]) - arrival
        yield [
            int(run.exit[i]),
            i,
            model_name,
            int(run.prompt_tokens[i]),
            output,
            arrival,
            end,
            end - arrival,
            max(0, round(float(run.scheduled_s[i]) * 1e9) - arrival),
            ttft,
            (end - arrival - ttft) // (output - 1) if output > 1 else 0,
            str(np.diff(tokens).tolist()),
        ]


def write_requests_csv(path: str | Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write the rows under a temporary name beside ``path``, then rename: a partial file never has its name.

    The folder is made.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder: give the name of a file")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(CSV_FIELDS)
            writer.writerows(rows)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def interval_text(interval: Interval, roles: Sequence[Role], memory_bytes: Sequence[float]) -> str:
    """One interval in LLMServingSim's layout: two lines, or one for a single instance.

    ``step`` counts intervals, P and D the sequences running on prefill and decode instances (KV on its way
    counts where it goes), ``prompt_t`` and ``decode_t`` are tokens computed and generated in the interval,
    ``npu_mem`` weights and KV on one GPU of each instance at its end, in GB = 1e9 bytes.

    Examples
    --------
    >>> state = Interval(15, 15.0, 3100.0, 620.0, (8, 12), (0, 0))
    >>> print(interval_text(state, ("prefill", "decode"), (55.4e9, 71.2e9)))
    [INFO] step=15 P=8 D=12 prompt_t=3.1k tok/s decode_t=620 tok/s
           npu_mem=[55.4 GB, 71.2 GB]
    """
    batches = [
        f"{letter}={sum(n for n, r in zip(interval.running, roles, strict=True) if r == role)}"
        for letter, role in (("P", "prefill"), ("D", "decode"))
        if role in roles
    ]
    combined = [
        (i, n) for i, (n, r) in enumerate(zip(interval.running, roles, strict=True)) if r == "combined"
    ]
    single = len(roles) == 1
    batches += [f"batch={n}" if single else f"inst{i}_batch={n}" for i, n in combined]
    memory = [f"{b / 1e9:.1f} GB" for b in memory_bytes]
    head = (
        f"[INFO] step={interval.number} {' '.join(batches)} "
        f"prompt_t={_rate(interval.prompt_tokens_per_s)} decode_t={_rate(interval.generated_tokens_per_s)}"
    )
    return f"{head} npu_mem={memory[0]}" if single else f"{head}\n       npu_mem=[{', '.join(memory)}]"


def _rate(tokens_per_s: float) -> str:
    """Tokens per second, short: 620 tok/s, 3.1k tok/s."""
    if round(tokens_per_s) < 1000:
        return f"{tokens_per_s:.0f} tok/s"
    return f"{tokens_per_s / 1e3:.1f}k tok/s"
