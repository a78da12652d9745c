"""`pdplan placement`."""

from __future__ import annotations

from pdplan.cli.compiling import announce_compiling
from pdplan.cli.output import load, no_as_json, print_json
from pdplan.planner.placement_algorithms import REQUESTS, placement


def run(
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    affinity: str,
    nodes: int,
    verify: bool,
    requests: int | None,
    seed: int,
) -> int:
    """Find the placement and print it; 1 where the engine contradicts it."""
    scenario = load(source, overrides)
    if verify:
        announce_compiling()
    with no_as_json("placement", as_json=as_json):
        found = placement(
            scenario, affinity=affinity, nodes=nodes, verify=verify, requests=requests or REQUESTS, seed=seed
        )
    if as_json:
        print_json(found.document())
    else:
        print(found)
    return 1 if found.missed else 0
