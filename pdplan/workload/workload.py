"""A workload: the length laws of one stream of requests, how they correlate, and how requests arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdplan.errors import InputError, did_you_mean
from pdplan.workload.described import ArrivalStatistics
from pdplan.workload.joint import (
    OUTPUT_ATOMS,
    PROMPT_ATOMS,
    JointLengths,
    joint_from_pairs,
    joint_lengths,
)
from pdplan.workload.law import LengthLaw
from pdplan.workload.lengths import length_law
from pdplan.workload.table_law import sample_law
from pdplan.workload.traces import Trace

_KEYS = (
    "name",
    "aliases",
    "about",
    "requests",
    "prompt_tokens",
    "output_tokens",
    "length_correlation",
    "rank_correlation",
    "prefix_hit",
    "uncached_prompt",
    "arrivals",
    "sources",
)
_ARRIVAL_KEYS = (
    "rate_per_s",
    "span_s",
    "window_s",
    "peak_rate_per_s",
    "p99_rate_per_s",
    "local_scv",
    "index_of_dispersion",
    "tick_s",
    "duplicate_share",
    "rate_quantiles",
    "windows",
)


@dataclass(frozen=True, eq=False)
class Workload:
    """Requests as a planner needs them.

    Parameters
    ----------
    name : str
        Name in the catalog, or file of the trace.
    prompt, output : LengthLaw
        Laws of the lengths [tok].
    length_correlation : float
        Pearson correlation of the token counts [-].
    prefix_hit : float
        Share of prompt tokens that a prefix cache without limit holds [-]; 0 where not known.
    arrivals : ArrivalStatistics or None
        How requests arrived where the workload was measured.
    source : str
        Where the numbers come from, in a line.
    trace : Trace or None
        The requests themselves, if there are any.
    """

    name: str
    prompt: LengthLaw
    output: LengthLaw
    length_correlation: float = 0.0
    prefix_hit: float = 0.0
    arrivals: ArrivalStatistics | None = None
    source: str = ""
    trace: Trace | None = None

    def joint(self, *, prompt_atoms: int = PROMPT_ATOMS, output_atoms: int = OUTPUT_ATOMS) -> JointLengths:
        """Return weighted pairs of lengths (`joint_from_pairs` of a trace, else `joint_lengths`)."""
        if self.trace is not None:
            return joint_from_pairs(
                self.trace.prompt_tokens,
                self.trace.output_tokens,
                prompt_atoms=prompt_atoms,
                output_atoms=output_atoms,
            )
        return joint_lengths(
            self.prompt,
            self.output,
            self.length_correlation,
            prompt_atoms=prompt_atoms,
            output_atoms=output_atoms,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Workload:
        """Return the workload of a catalog entry (a parsed YAML mapping).

        Raises
        ------
        InputError
            Unknown or missing keys, lengths that are no law, a correlation or hit share out of range.

        Examples
        --------
        >>> w = Workload.from_document({"name": "fixed", "prompt_tokens": 6144, "output_tokens": 512})
        >>> w.prompt.mean, w.output.mean, w.joint().weight.tolist()
        (6144.0, 512.0, [1.0])
        >>> Workload.from_document({"name": "x", "prompt_token": 6144})
        Traceback (most recent call last):
        pdplan.errors.InputError: workload x: unknown key prompt_token; did you mean prompt_tokens, ...
        """
        name = str(document.get("name", "without a name"))
        _refuse_unknown(f"workload {name}", document, _KEYS)
        missing = [k for k in ("name", "prompt_tokens", "output_tokens") if k not in document]
        if missing:
            raise InputError(f"workload {name}: {' and '.join(missing)} is missing")
        arrivals = document.get("arrivals")
        return cls(
            name,
            length_law(document["prompt_tokens"], "prompt_tokens"),
            length_law(document["output_tokens"], "output_tokens"),
            _number(document, "length_correlation", -1.0, 1.0),
            _number(document, "prefix_hit", 0.0, 1.0),
            None if arrivals is None else _arrivals(arrivals, name),
            _source_line(document.get("sources", ())),
        )

    @classmethod
    def from_trace(cls, trace: Trace) -> Workload:
        """Return the workload of a trace: its own lengths, pairs, arrivals and prefix reuse."""
        from pdplan.workload.histogram import TokenHistogram, pearson_of
        from pdplan.workload.statistics import arrival_statistics, trace_reuse

        reuse = trace_reuse(trace)
        means = [TokenHistogram.of(t).mean for t in (trace.prompt_tokens, trace.output_tokens)]
        return cls(
            trace.source,
            sample_law(trace.prompt_tokens, "prompt_tokens"),
            sample_law(trace.output_tokens, "output_tokens"),
            pearson_of(trace.prompt_tokens, trace.output_tokens, means[0], means[1]),
            reuse[0].hit if reuse else 0.0,
            arrival_statistics(trace.arrival_s) if trace.has_times else None,
            f"{trace.source} ({trace.format}, {len(trace)} requests)",
            trace,
        )


def _refuse_unknown(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key {key}{did_you_mean(str(key), known)}")


def _number(document: Mapping[str, Any], key: str, low: float, high: float) -> float:
    """Return a number of the document within its range, 0 where it is left out."""
    value = document.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InputError(
            f"workload {document['name']}: {key} is {value!r}: it must lie between {low:g} and {high:g}"
        )
    return float(value)


def _arrivals(given: Mapping[str, Any], name: str) -> ArrivalStatistics:
    where = f"workload {name}: arrivals"
    if not isinstance(given, Mapping):
        raise InputError(f"{where} is {given!r}: it must be a mapping such as {{rate_per_s: 5.5}}")
    _refuse_unknown(where, given, _ARRIVAL_KEYS)
    try:
        rate = float(given["rate_per_s"])
        local, tick = given.get("local_scv"), given.get("tick_s")
        return ArrivalStatistics(
            rate,
            float(given.get("span_s", 0.0)),
            float(given.get("window_s", 60.0)),
            float(given.get("peak_rate_per_s", rate)),
            float(given.get("p99_rate_per_s", rate)),
            None if local is None else float(local),
            {float(w): float(x) for w, x in given.get("index_of_dispersion", {}).items()},
            None if tick is None else float(tick),
            float(given.get("duplicate_share", 0.0)),
            {float(p) / 100: float(x) for p, x in given.get("rate_quantiles", {}).items()},
            int(given.get("windows", 0)),
        )
    except KeyError as error:
        raise InputError(f"{where}: {error.args[0]} is missing") from None
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{where}: a value is no number") from None


def _source_line(sources: Any) -> str:
    first = sources[0] if isinstance(sources, (list, tuple)) and sources else {}
    return (
        " ".join(str(first[k]) for k in ("what", "url") if k in first) if isinstance(first, Mapping) else ""
    )
