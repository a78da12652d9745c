"""`pdplan catalog`: what there is, and what it says."""

from __future__ import annotations

import yaml

from pdplan.cli.output import print_json, width
from pdplan.errors import UnknownNameError, did_you_mean
from pdplan.spec.catalog import KINDS, catalog_aliases, catalog_document, catalog_names

#: what users call a kind -> its folder
_WORDS = {"models": "architectures", "profiles": "latency"} | {k: k for k in KINDS}


def ls(kind: str | None, *, as_json: bool) -> None:
    """List the names of one kind, or of all."""
    if kind is not None and kind not in _WORDS:
        raise UnknownNameError(
            f"unknown catalog kind {kind!r}{did_you_mean(kind, _WORDS)}; there are {', '.join(_WORDS)}"
        )
    kinds = [_WORDS[kind]] if kind else list(KINDS)
    if as_json:
        print_json({"schema": "pdplan.catalog/1", **{_shown(k): catalog_names(k) for k in kinds}})
        return
    for k in kinds:
        names = catalog_names(k)
        print(f"{_shown(k)} ({len(names)})")
        for line in _columns(names, width() - 2):
            print(f"  {line}")


def show(name: str, *, as_json: bool) -> None:
    """Show one entry, whatever its kind."""
    for kind in KINDS:
        try:
            document = catalog_document(kind, name)
        except UnknownNameError:
            continue
        if as_json:
            print_json({"schema": "pdplan.catalog/1", "kind": _shown(kind), **document})
        else:
            print(f"# {KINDS[kind]}")
            print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=width()), end="")
        return
    known = [n for kind in KINDS for n in (*catalog_names(kind), *catalog_aliases(kind))]
    raise UnknownNameError(
        f"unknown name {name[:120]!r}{did_you_mean(name, known) or '; pdplan catalog ls lists them'}"
    )


def _shown(kind: str) -> str:
    return "models" if kind == "architectures" else kind


def _columns(names: list[str], columns: int) -> list[str]:
    """Lay names out in as many columns as fit."""
    if not names:
        return ["(none)"]
    cell = max(len(n) for n in names) + 2
    per_line = max(1, columns // cell)
    rows = -(-len(names) // per_line)
    return ["".join(n.ljust(cell) for n in names[r::rows]).rstrip() for r in range(rows)]
