"""Latency profiles: measured step times of one model on one accelerator, as documents of the catalog.

A document names its variants by (tp, pp); each variant is a fit or a table. Times are in ms in the document
(``_ms`` in the key), in seconds inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pdplan.errors import InputError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.latency.profile_fields import (
    FITTED_KEYS,
    TABLE_KEYS,
    TOP_KEYS,
    calibration,
    count,
    entries,
    known_keys,
    ms,
    number,
    numbers,
    optional_pair,
    pair,
    required,
    sentences,
)
from pdplan.latency.table import DecodeCurve, Tabulated

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """Step times of one model on one accelerator, one `LatencyModel` for each (tp, pp) measured.

    ``kv_capacity`` may know more (tp, pp) than ``variants``. ``fit_errors`` says in words how far a fit is
    from what it was fitted to, ``identifiability`` what the measurements leave open. ``step_factor`` is the
    measured in-system over isolated speed of decode steps [-], None where it was not measured;
    ``calibrated`` says how.
    """

    name: str
    model_name: str
    accelerator: str
    engine: str
    weights_dtype: str
    kv_dtype: str
    source: str
    variants: Mapping[tuple[int, int], Fitted | Tabulated]
    kv_capacity: Mapping[tuple[int, int], int]
    fit_errors: Mapping[tuple[int, int], str]
    notes: tuple[str, ...] = ()
    engine_step_overhead_s: float = 0.0
    engine_token_overhead_s: float = 0.0
    identifiability: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    step_factor: float | None = None
    calibrated: str = ""

    def model(self, tp: int, pp: int = 1) -> Fitted | Tabulated:
        """Return the step times at (tp, pp) as published.

        Raises
        ------
        InputError
            That degree was not measured.
        """
        if (tp, pp) not in self.variants:
            known = ", ".join(f"tp {t} pp {p}" for t, p in sorted(self.variants))
            raise InputError(
                f"latency profile {self.name} has no tp {tp} pp {pp}: it was measured at {known}"
            )
        return self.variants[tp, pp]

    def engine_model(self, tp: int, pp: int = 1) -> Fitted | Tabulated:
        """Return the step times at (tp, pp) with the overhead that the source adds in a running engine."""
        bare = self.model(tp, pp)
        if isinstance(bare, Tabulated):
            return bare
        return replace(
            bare, step_overhead_s=self.engine_step_overhead_s, token_overhead_s=self.engine_token_overhead_s
        )

    def kv_capacity_tokens(self, tp: int, pp: int = 1) -> int | None:
        """Return the measured KV tokens of one instance, None where they were not measured."""
        return self.kv_capacity.get((tp, pp))

    @property
    def degrees(self) -> tuple[tuple[int, int], ...]:
        """The (tp, pp) that were measured, ascending."""
        return tuple(sorted(self.variants))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> LatencyProfile:
        """Build from a parsed document.

        Raises
        ------
        InputError
            A key or value that is not understood.

        Examples
        --------
        >>> profile = LatencyProfile.from_document({
        ...     "name": "mine", "model": "llama-3.1-8b", "accelerator": "h100-sxm-80gb", "engine": "vLLM",
        ...     "weights_dtype": "bf16", "kv_dtype": "bf16",
        ...     "variants": [{"tp": 1, "prefill_ms": {"fixed": 12, "per_token": 0.05},
        ...                   "decode_ms": [{"fixed": 8, "per_sequence": 0.1}],
        ...                   "prefill_tokens_range": [128, 8192], "decode_batch_range": [1, 64]}]})
        >>> round(float(profile.model(1).decode_step_s(16, 16e3)), 4)
        0.0096
        """
        if not isinstance(document, Mapping):
            raise InputError(f"a latency profile must be a mapping, this is {type(document).__name__}")
        name = str(document.get("name", "(without a name)"))
        where = f"latency profile {name}"
        known_keys(where, document, TOP_KEYS)
        source = _source(document)
        capacity = {
            (count(where, c, "tp"), count(where, c, "pp", 1)): count(where, c, "tokens")
            for c in (entries(where, document, "kv_capacity") if "kv_capacity" in document else ())
        }
        variants: dict[tuple[int, int], Fitted | Tabulated] = {}
        errors: dict[tuple[int, int], str] = {}
        open_points: dict[tuple[int, int], tuple[str, ...]] = {}
        for entry in entries(where, document, "variants"):
            key = count(where, entry, "tp"), count(where, entry, "pp", 1)
            if key in variants:
                raise InputError(f"{where}: tp {key[0]} pp {key[1]} appears twice")
            build = _fitted if "prefill_ms" in entry else _tabulated
            variants[key] = build(f"{where}, tp {key[0]} pp {key[1]}", entry, source, capacity.get(key))
            errors[key] = str(entry.get("fit_error", ""))
            open_points[key] = sentences(where, entry, "identifiability")
        overhead = document.get("engine_overhead", {})
        known_keys(f"{where}, engine_overhead", overhead, frozenset(["step_ms", "per_token_ms"]))
        factor, calibrated = calibration(where, document)
        return cls(
            name=name,
            model_name=str(required(where, document, "model")),
            accelerator=str(required(where, document, "accelerator")),
            engine=str(required(where, document, "engine")),
            weights_dtype=str(required(where, document, "weights_dtype")),
            kv_dtype=str(required(where, document, "kv_dtype")),
            source=source,
            variants=variants,
            kv_capacity=capacity,
            fit_errors=errors,
            notes=sentences(where, document, "notes"),
            engine_step_overhead_s=ms(where, overhead, "step_ms", 0.0),
            engine_token_overhead_s=ms(where, overhead, "per_token_ms", 0.0),
            identifiability=open_points,
            step_factor=factor,
            calibrated=calibrated,
        )


def load_profile(path: Path) -> LatencyProfile:
    """Read a profile from a YAML file.

    Raises
    ------
    InputError
        Not a file, not YAML, or not a profile.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), loader)
    except OSError as error:
        raise InputError(f"latency profile {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"latency profile {path} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(document, Mapping):
        raise InputError(f"latency profile {path} must be a mapping of keys to values")
    return LatencyProfile.from_document(document)


def _fitted(where: str, entry: Mapping[str, Any], source: str, capacity: int | None) -> Fitted:
    """Build a fit from its coefficients."""
    known_keys(where, entry, FITTED_KEYS)
    prefill = required(where, entry, "prefill_ms")
    return Fitted(
        PrefillFit(
            ms(where, prefill, "fixed"),
            ms(where, prefill, "per_token"),
            ms(where, prefill, "per_token_sq", 0.0),
        ),
        tuple(
            DecodeFit(
                ms(where, regime, "fixed"),
                ms(where, regime, "per_sequence"),
                ms(where, regime, "per_context_token", 0.0),
                number(where, regime, "from_batch", 0.0),
            )
            for regime in entries(where, entry, "decode_ms")
        ),
        pair(where, entry, "prefill_tokens_range"),
        pair(where, entry, "decode_batch_range"),
        source,
        capacity,
        ttft_overhead_s=ms(where, entry, "ttft_overhead_ms", 0.0),
        ttft_overhead_per_token_s=ms(where, entry, "ttft_overhead_per_token_ms", 0.0),
        context_range=optional_pair(where, entry, "decode_context_range"),
        context_sum_range=optional_pair(where, entry, "decode_context_sum_range"),
    )


def _tabulated(where: str, entry: Mapping[str, Any], source: str, capacity: int | None) -> Tabulated:
    """Build a table from its points; prefill may be one rate."""
    known_keys(where, entry, TABLE_KEYS)
    curves = tuple(
        DecodeCurve(
            numbers(where, c, "batch"),
            tuple(x / 1e3 for x in numbers(where, c, "step_ms")),
            number(where, c, "mean_context_tokens") if "mean_context_tokens" in c else None,
        )
        for c in entries(where, entry, "decode_tables")
    )
    if "prefill_table" in entry:
        tokens = numbers(where, entry["prefill_table"], "tokens")
        times = tuple(x / 1e3 for x in numbers(where, entry["prefill_table"], "step_ms"))
    else:
        tokens = (1.0, 1e6)
        times = tuple(n / number(where, entry, "prefill_tokens_per_s") for n in tokens)
    overhead = ms(where, entry, "ttft_overhead_ms", 0.0)
    return Tabulated(tokens, times, curves, source, overhead, capacity)


def _source(document: Mapping[str, Any]) -> str:
    """One line: what was measured, and where it is published."""
    listed = document.get("sources")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) else {}
    what = document.get("what", document.get("name", "profile"))
    return f"{what} ({first['url']})" if "url" in first else str(what)
