"""The readers by name, and the door: `read_measurements`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from pdplan.errors import InputError
from pdplan.interop.benchmarks import (
    aiperf,
    aiperf_csv,
    aiperf_records,
    dynamo,
    genai_perf,
    guidellm,
    inference_perf,
    inferencex,
    llmperf,
    llmperf_responses,
    llmservingsim_records,
    request_table,
    run_table,
    sglang,
    splitwise,
    step_table,
    transfer_table,
    vllm,
)
from pdplan.interop.benchmarks.document import Document, open_document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.interop.benchmarks.select import check_keys
from pdplan.latency.measured import Measurements

_TOOLS: Final = (
    aiperf,
    aiperf_csv,
    aiperf_records,
    dynamo,
    genai_perf,
    guidellm,
    inference_perf,
    inferencex,
    llmperf,
    llmperf_responses,
    llmservingsim_records,
    request_table,
    run_table,
    sglang,
    splitwise,
    step_table,
    transfer_table,
    vllm,
)
READERS: Final[tuple[Reader, ...]] = tuple(sorted((m.READER for m in _TOOLS), key=lambda r: r.name.lower()))


def understood() -> str:
    """Every format that is read, with what it looks like."""
    return "; ".join(f"{reader.name} ({reader.looks_like})" for reader in READERS)


def recognise(document: Document) -> Reader:
    """Return the reader of a document, by its content.

    Raises
    ------
    InputError
        No format that is understood; the message names those that are.
    """
    for reader in READERS:
        if reader.recognise(document):
            return reader
    raise InputError(
        f"{document.source}: {document.describe()}: not a format that is understood; "
        f"understood: {', '.join(reader.name for reader in READERS)}"
    )


def read_measurements(path: str | Path | BinaryIO, select: Select | None = None) -> Measurements:
    """Read the measurements of one file of any tool that is understood, in SI units.

    Parameters
    ----------
    path : str, Path or binary stream
        The file; ``-`` is standard input. gzip is unpacked. Its name plays no part.
    select : mapping, optional
        Which system to take from a file that holds several: values under the keys source, model,
        accelerator, engine, for instance ``{"model": "llama2-70b", "accelerator": "h100-80gb"}``. It plays no
        part in a file that holds one system.

    Returns
    -------
    Measurements
        Steps timed in isolation and end-to-end runs; ``corrections`` says what was converted, recomputed or
        left out.

    Raises
    ------
    InputError
        Not readable, empty, cut off, not understood, several systems and no choice, or an unknown key.

    Examples
    --------
    >>> import io
    >>> table = io.BytesIO(b"tp,prompt_tokens,prefill_ms\\n1,1000,50\\n2,1000,28\\n")
    >>> [(p.tp, p.seconds) for p in read_measurements(table).prefill]
    [(1, 0.05), (2, 0.028)]
    """
    check_keys(select or {})
    document = open_document(path)
    return recognise(document).read(document, select or {})
