"""How far a number may be believed. Every result carries one of these."""

from __future__ import annotations

from enum import StrEnum


class Trust(StrEnum):
    """What stands behind a number, best first.

    ``EXACT``: the mathematics of the stated model, to the stated numerical tolerance.
    ``BOUNDED``: proven lower and upper bounds hold it.
    ``APPROXIMATE``: a formula with a measured error and no proof.
    ``SIMULATED``: a sample with a confidence interval.
    """

    EXACT = "exact"
    BOUNDED = "bounded"
    APPROXIMATE = "approximate"
    SIMULATED = "simulated"


_ORDER = (Trust.EXACT, Trust.BOUNDED, Trust.SIMULATED, Trust.APPROXIMATE)


def weakest(*trusts: Trust) -> Trust:
    """Return the trust of a number composed of others: the weakest of them.

    Examples
    --------
    >>> weakest(Trust.EXACT, Trust.APPROXIMATE, Trust.BOUNDED)
    <Trust.APPROXIMATE: 'approximate'>
    >>> weakest()
    <Trust.EXACT: 'exact'>
    """
    return max(trusts, key=_ORDER.index, default=Trust.EXACT)
