"""Why there is no colocated fleet beside a plan: fleets were judged and fail, or none could be judged."""

from __future__ import annotations

from typing import Final

#: Part of every reason that is the planner's limit and no fleet's failure.
UNMODELLED: Final = "is not modelled in colocated fleets"


def no_colocated(why: str, fleet: str = "colocated fleet") -> str:
    """Return the sentence around a reason.

    Examples
    --------
    >>> no_colocated("no number of instances meets every objective together")
    'no colocated fleet meets the objectives: no number of instances meets every objective together'
    >>> no_colocated("dp_attention is not modelled in colocated fleets")
    'no colocated fleet can be judged: dp_attention is not modelled in colocated fleets'
    """
    lead = "can be judged" if UNMODELLED in why else "meets the objectives"
    return f"no {fleet} {lead}: {why}"
