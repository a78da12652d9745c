"""A JSON document as text, and the document of an honest no: the same from every face."""

from __future__ import annotations

import json
from typing import Any

from pdplan._version import __version__
from pdplan.errors import InfeasibleError


def document_text(document: Any) -> str:
    r"""Return one document as text: stable key order, no NaN, a newline at the end.

    Examples
    --------
    >>> document_text({"rho": 0.5})
    '{\n  "rho": 0.5\n}\n'
    """
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def refusal_document(error: InfeasibleError, command: str) -> dict[str, Any]:
    """Return the document of an honest no of a command: what binds, and the nearest that can be met.

    Examples
    --------
    >>> refusal_document(InfeasibleError("no prefill instance is possible"), "split")["feasible"]
    False
    """
    from pdplan.planner.infeasible import InfeasiblePlanError

    schema = f"pdplan.{command}/1"
    if isinstance(error, InfeasiblePlanError):
        return error.document() | {"schema": schema}
    return {"schema": schema, "version": __version__, "feasible": False, "binding": str(error), "nearest": []}
