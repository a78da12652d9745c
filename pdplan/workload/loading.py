"""A workload from a file, whatever it holds: a workload document or a trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pdplan.errors import InputError
from pdplan.workload.workload import Workload

#: A line of a workload document: a key, or a comment before it. No trace starts like this.
_DOCUMENT: Final = re.compile(rb"\s*(#|---|[A-Za-z_]+\s*:(\s|$))")
_HEAD_BYTES: Final = 4096


def load_workload(path: str | Path) -> Workload:
    """Return the workload in a file: a workload document (YAML) or any trace `read_trace` understands.

    Which of them it is shows in the content, never in the name.

    Raises
    ------
    InputError
        No such file, or a content that is neither (with what is understood).
    """
    file = Path(path)
    if str(path) != "-":
        try:
            with file.open("rb") as stream:
                head = stream.read(_HEAD_BYTES)
        except OSError as error:
            raise InputError(f"workload {file}: {error.strerror or error}") from None
        if _DOCUMENT.match(head.removeprefix(b"\xef\xbb\xbf")):
            return Workload.from_document(read_document(file))
    from pdplan.workload.reading import read_trace  # only who has a trace waits for its readers

    return Workload.from_trace(read_trace(path))


def read_document(file: Path) -> Mapping[str, Any]:
    """Return the mapping that a workload file holds.

    Raises
    ------
    InputError
        Not UTF-8, not YAML (with the line), or no mapping.
    """
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"workload {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"workload {file}: not a text file in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise InputError(f"workload {file}{where}: not YAML: {problem}") from None
    if not isinstance(document, Mapping):
        raise InputError(f"workload {file}: a workload is a mapping with name, prompt_tokens, output_tokens")
    return document
