"""From what a user writes for a length (a number, statistics, a table) to its law."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pdplan.errors import InputError, did_you_mean
from pdplan.units import parse
from pdplan.workload.law import LengthLaw, require_tokens
from pdplan.workload.parametric import (
    GeometricLaw,
    LognormalLaw,
    lognormal_from_mean_quantile,
    lognormal_from_mean_scv,
    lognormal_from_two_quantiles,
)
from pdplan.workload.percentiles import percentile_law
from pdplan.workload.table_law import constant_law, quantile_table_law, sample_law, uniform_law

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d+)?)$")


def length_law(given: object, what: str = "length") -> LengthLaw:
    """Return the law of a length as written in a scenario.

    Parameters
    ----------
    given : number, str, mapping or LengthLaw
        A number of tokens (a fixed length); statistics such as ``{mean: 1155, p50: 1020, p99: 4142}``, where
        mean + scv, mean + one percentile and two percentiles give a lognormal and more give the law through
        all of them (`percentile_law`; ``min`` and ``max`` may join); ``{lognormal: {mean, scv | p50, p99 |
        mu, sigma, ...}}``, ``{geometric: {mean}}``, ``{uniform: {min, max}}``, ``{quantiles: {0: .., 50: ..,
        100: ..}}``, ``{samples: [..]}``.
    what : str
        The name for messages.

    Raises
    ------
    InputError
        Unknown form, statistics that are missing, contradictory or no token counts.

    Examples
    --------
    >>> length_law(2048).mean
    2048.0
    >>> law = length_law({"p50": 1020, "p99": 4142})
    >>> round(law.quantile(0.99)), round(law.mean)
    (4142, 1223)
    >>> length_law({"p50": 1020, "p99": 400}, "prompt_tokens")
    Traceback (most recent call last):
    pdplan.errors.InputError: prompt_tokens: p99 is 400 tok, below p50 at 1020 tok: ...
    >>> length_law({"mean": 1020}, "prompt_tokens")
    Traceback (most recent call last):
    pdplan.errors.InputError: prompt_tokens: a mean alone does not fix a law: add scv or p99, ...
    """
    if isinstance(given, LengthLaw):
        return given
    if not isinstance(given, Mapping):
        return constant_law(_tokens(given, what), what)
    try:
        return _from_mapping(given, what)
    except InputError as error:
        # the laws do not know what they are the law of
        named = str(error).startswith(what)
        raise InputError(str(error) if named else f"{what}: {error}") from None


def _from_mapping(given: Mapping[Any, Any], what: str) -> LengthLaw:
    named = [key for key in given if key in _FAMILIES]
    if not named:
        return _from_statistics(given, what)
    if len(given) > 1:
        other = next(key for key in given if key != named[0])
        raise InputError(f"{what}: {named[0]} and {other} together: a length law is given in one way")
    return _FAMILIES[named[0]](given[named[0]], f"{what}: {named[0]}")


def _from_statistics(given: Mapping[Any, Any], what: str) -> LengthLaw:
    """Return the law with the given mean, scv and percentiles."""
    mean, scv, ranks = _statistics(given, what)
    if scv is not None:
        if mean is None or ranks:
            raise InputError(
                f"{what}: scv goes with a mean and nothing else: give mean and scv, or percentiles"
            )
        return lognormal_from_mean_scv(mean, scv)
    if not ranks:
        raise InputError(
            f"{what}: a mean alone does not fix a law: add scv or p99, or write the number itself "
            "for a fixed length"
        )
    levels, values = list(ranks), list(ranks.values())
    inner = [0.0 < level < 1.0 for level in levels]
    if len(levels) == 1 and all(inner):
        if mean is None:
            raise InputError(
                f"{what}: one percentile alone does not fix a law: add a mean or another percentile"
            )
        return lognormal_from_mean_quantile(mean, levels[0], values[0])
    if len(levels) == 1:
        raise InputError(f"{what}: min or max alone does not fix a law: add percentiles")
    if len(levels) == 2 and all(inner) and mean is None and values[1] >= values[0]:
        return lognormal_from_two_quantiles(levels[0], values[0], levels[1], values[1])
    return percentile_law(levels, values, mean, what)


def _statistics(given: Mapping[Any, Any], what: str) -> tuple[float | None, float | None, dict[float, float]]:
    """Return mean, scv and {rank: tokens} (ascending) of a mapping of statistics."""
    if not given:
        raise InputError(
            f"{what}: nothing is given: write a number, {{mean: .., p50: .., p99: ..}} or a table"
        )
    mean = scv = None
    ranks: dict[float, float] = {}
    for key, value in given.items():
        match = _PERCENTILE.match(str(key))
        if key == "mean":
            mean = _tokens(value, f"{what}: mean")
        elif key == "scv":
            scv = _number(value, f"{what}: scv")
        elif key in ("min", "max"):
            ranks[0.0 if key == "min" else 1.0] = _tokens(value, f"{what}: {key}")
        elif match and float(match[1]) > 0:
            ranks[float(match[1]) / 100] = _tokens(value, f"{what}: {key}")
        else:
            known = ["mean", "scv", "min", "max", "p50", "p90", "p95", "p99", *_FAMILIES]
            raise InputError(
                f"{what}: {key!r} is not understood{did_you_mean(str(key), known)}; known: mean, scv, min, "
                f"max, pXX, {', '.join(_FAMILIES)}"
            )
    return mean, scv, dict(sorted(ranks.items()))


def _tokens(value: object, what: str) -> float:
    return require_tokens(what, parse(value, "tokens", what=what))


def _number(value: object, what: str) -> float:
    return parse(value, "fraction", what=what)


def _fields(given: object, what: str, *names: str) -> list[object]:
    """Return the values of exactly the fields ``names`` of a mapping."""
    if not isinstance(given, Mapping) or set(given) != set(names):
        raise InputError(f"{what} takes {' and '.join(names)}, not {given!r}")
    return [given[name] for name in names]


def _lognormal(given: object, what: str) -> LengthLaw:
    if isinstance(given, Mapping) and ("mu" in given or "sigma" in given):
        mu, sigma = _fields(given, what, "mu", "sigma")
        return LognormalLaw(_number(mu, f"{what}: mu"), _number(sigma, f"{what}: sigma"))
    if not isinstance(given, Mapping) or len(given) != 2:
        raise InputError(f"{what} takes two of mean, scv and percentiles, or mu and sigma, not {given!r}")
    law = _from_statistics(given, what)
    if not isinstance(law, LognormalLaw):
        raise InputError(f"{what}: no lognormal law has these statistics ({', '.join(map(str, given))})")
    return law


def _geometric(given: object, what: str) -> LengthLaw:
    mean = _fields(given, what, "mean")[0] if isinstance(given, Mapping) else given
    return GeometricLaw(_tokens(mean, f"{what}: mean"))


def _uniform(given: object, what: str) -> LengthLaw:
    low, high = _fields(given, what, "min", "max")
    return uniform_law(_tokens(low, f"{what}: min"), _tokens(high, f"{what}: max"), what)


def _quantiles(given: object, what: str) -> LengthLaw:
    if not isinstance(given, Mapping):
        raise InputError(f"{what}: a quantile table is a mapping of percents to tokens, not {given!r}")
    return quantile_table_law(given, what)


def _samples(given: object, what: str) -> LengthLaw:
    if isinstance(given, (str, Mapping)):
        raise InputError(f"{what} takes a list of token counts, not {given!r}")
    return sample_law(given, what)


_FAMILIES: Final[Mapping[str, Callable[[object, str], LengthLaw]]] = {
    "lognormal": _lognormal,
    "geometric": _geometric,
    "uniform": _uniform,
    "quantiles": _quantiles,
    "samples": _samples,
}
