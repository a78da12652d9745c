"""`pdplan explain`: the working behind the numbers of a plan."""

from __future__ import annotations

from pathlib import Path

from pdplan.cli.output import load, no_as_json, print_json
from pdplan.planner import plan


def run(quantity: str | None, source: str | None, *, as_json: bool, overrides: tuple[str, ...]) -> None:
    """Show one quantity and everything below it, or list what there is."""
    if (
        source is None
        and quantity is not None
        and (quantity == "-" or Path(quantity).suffix in (".yaml", ".yml"))
    ):
        quantity, source = None, quantity
    scenario = load(source, overrides)
    with no_as_json("explain", as_json=as_json):
        result = plan(scenario)
    if quantity is None:
        if as_json:
            print_json({"schema": "pdplan.explain/1", "quantities": [d.name for d in result.derivations]})
            return
        size = max(len(d.name) for d in result.derivations)
        for d in result.derivations:
            print(f"{d.name.ljust(size)}  {d.title}")
        return
    shown = result.explain(quantity)
    if as_json:
        print_json({"schema": "pdplan.explain/1", "shown": [s.document() for s in shown]})
    else:
        print("\n\n".join(str(s) for s in shown))
