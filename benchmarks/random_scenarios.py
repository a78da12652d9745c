"""Sixty random scenarios: the fleet of each simulated anew, and the fleets next to it.

``python benchmarks/random_scenarios.py`` prints the table; ``--write`` puts it into
docs/validation/random_scenarios.md. Ranges and seeds are those of tests/planner/acceptance/random_fleets.py.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "planner" / "acceptance"))

from random_fleets import (  # noqa: E402
    MORE,
    NEIGHBOUR_REQUESTS,
    REQUESTS,
    SEED,
    SIMULATION_SEED,
    Outcome,
    causes,
    study,
)

OUT = ROOT / "docs" / "validation" / "random_scenarios.md"

HEAD = f"""# Sixty random scenarios

`python benchmarks/random_scenarios.py --write`. Scenarios are drawn from fixed ranges with seed {SEED}:
13 models on up to 5 accelerators each, 7 links, one or two classes at 5 to 200 req/s, three traced workloads
and 25 pairs of length laws, prefix hits, seven forms of objective (mean, percentiles, joint attainment, ITL,
end to end), five routers, two disciplines, both places of the first token, KV overlap, loads up to 85, 95 or
99%. Draws that no fleet can serve are listed below the table and replaced.

`pdplan.plan` chooses a fleet with its defaults (20,000 simulated requests, seed 0). Then:

- **meets**: the fleet serves {REQUESTS:,} requests that the planner has not seen (seed {SIMULATION_SEED};
  {MORE} times as many where a 99% interval still holds its limit). It meets when no objective fails and each
  is met by its best estimate;
- **cheaper next to it**: one prefill or decode instance fewer; a pool of the next smaller TP with as many
  instances, and with as many as are still cheaper. Each is simulated alike ({NEIGHBOUR_REQUESTS:,} requests)
  if the scenario's own limits on load and memory allow it, and counts when every objective holds at 99%.
"""


def row(o: Outcome) -> str:
    d = o.document
    seen = o.checked
    closest = "-" if seen is None else f"{seen.closest.target} ({seen.closest.ratio:.0%})"
    tried = ", ".join(f"{n.change}: {n.verification.holds}" for n in o.neighbours) or "none allowed"
    classes = "1 class" if len(d["classes"]) == 1 else f"{len(d['classes'])} classes"
    what = f"{d['model']}, {d['accelerator']}, {d['link']}, {classes}"
    meets = "yes" if o.meets else "**no**"
    return f"| {o.number} | {what} | {o.fleet} | {closest} | {meets} | {len(o.stepped_up)} | {tried} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    found, without = study(workers=args.workers)
    meets, better = sum(o.meets for o in found), sum(bool(o.better) for o in found)
    lines = [
        HEAD,
        f"Measured {datetime.date.today():%Y-%m-%d}, Python {platform.python_version()}.\n",
        f"**{meets} of {len(found)} fleets meet every objective (asked: 57); {better} have a cheaper "
        "neighbour that is proved sufficient (allowed: 3).** Steps: changes that the planner's own",
        "simulation made to the formulas' fleet. In brackets: the value over its limit (for a joint",
        "objective what is missed over what may be).\n",
        "| draw | scenario | fleet | closest objective | meets | steps | cheaper next to it |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *[row(o) for o in found],
        "\n## Every failure, and its cause\n",
        *([f"- draw {o.number}, {o.fleet}: {cause}" for o in found for cause in causes(o)] or ["None."]),
        "\n## Draws that no fleet can serve\n",
        *([f"- draw {o.number}: {o.why.splitlines()[0]}" for o in without] or ["None."]),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.write:
        OUT.write_text(text)


if __name__ == "__main__":
    main()
