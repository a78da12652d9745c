"""NVIDIA Dynamo's profiler: raw_data.npz, or the same arrays as JSON, of prefill and of decode.

Prefill: ``prefill_isl`` [tok], ``prefill_ttft`` [ms] of one request alone, ``prefill_thpt_per_gpu``. Decode:
``x_kv_usage`` = (ISL + OSL/2) x requests / max_kv_tokens, ``y_context_length`` = ISL + OSL/2, ``z_itl`` [ms]
and ``z_thpt_per_gpu`` [tok/s/GPU]; the prompts are in the prefix cache, so steps are pure decode. Tools built
on it write seconds under the same names: the throughput that stands beside each time tells them apart.
Source: Dynamo, docs/benchmarks (SLA profiling), components/src/dynamo/profiler/utils.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pdplan.errors import InputError, UnsupportedError
from pdplan.interop.benchmarks.document import Document
from pdplan.interop.benchmarks.reader import Reader, Select
from pdplan.latency.measured import DecodePoint, Measurements, PrefillPoint

Array = npt.NDArray[np.float64]
_NAME: Final = "Dynamo profiler"
_PREFILL: Final = ("prefill_isl", "prefill_ttft")
_DECODE: Final = ("x_kv_usage", "y_context_length", "z_itl", "z_thpt_per_gpu")
_MOCKER: Final = ("prefill_isl", "prefill_ttft_ms")
_LARGEST_GPUS: Final = 300.0


def recognise(document: Document) -> bool:
    """Whether the arrays of prefill or of decode are there."""
    names = set(document.arrays) | set(document.first)
    return any(names >= set(wanted) for wanted in (_PREFILL, _DECODE, _MOCKER))


def read(document: Document, select: Select) -> Measurements:
    """Read the points of prefill and decode.

    Raises
    ------
    InputError
        Arrays of different lengths, or values that are no positive numbers.
    UnsupportedError
        The mocker's table, which is resampled from a fit.
    """
    raw: dict[str, Any] = dict(document.arrays) or dict(document.first)
    if not (set(raw) >= set(_PREFILL) or set(raw) >= set(_DECODE)):
        raise UnsupportedError(
            f"{document.source}: a table of Dynamo's mocker, resampled from a fit and not measured: give the "
            "raw_data.npz that it was made from"
        )
    corrections: list[str] = []
    prefill = _prefill(raw, document.source, corrections) if set(raw) >= set(_PREFILL) else ()
    decode = _decode(raw, document.source, corrections) if set(raw) >= set(_DECODE) else ()
    tp = (prefill or decode)[0].tp
    capacity = _array(raw, "max_kv_tokens", document.source) if raw.get("max_kv_tokens") is not None else None
    return Measurements(
        tool=_NAME,
        source=document.source,
        prefill=prefill,
        decode=decode,
        kv_capacity_tokens={} if capacity is None else {(tp, 1): int(capacity[0])},
        corrections=tuple(corrections),
    )


def _prefill(raw: dict[str, Any], source: str, corrections: list[str]) -> tuple[PrefillPoint, ...]:
    tokens, times = (_array(raw, key, source) for key in _PREFILL)
    _same_length({"prefill_isl": tokens, "prefill_ttft": times}, source)
    gpus, scale = 1.0, 1e-3
    if "prefill_thpt_per_gpu" in raw:
        rate = _array(raw, "prefill_thpt_per_gpu", source)
        _same_length({"prefill_isl": tokens, "prefill_thpt_per_gpu": rate}, source)
        gpus, scale = _gpus(float(np.median(tokens / (times * 1e-3 * rate))))
    corrections.append(_converted("prefill_ttft", scale))
    corrections.append(
        f"{_degree(gpus, corrections, 'prefill')} GPU of the prefill instance, from tokens / (TTFT x "
        "throughput per GPU), taken as TP; TTFT of a lone request taken as its prefill step."
    )
    return tuple(
        PrefillPoint(prompt_tokens=float(n), seconds=float(t) * scale, tp=max(1, round(gpus)))
        for n, t in zip(tokens, times, strict=True)
    )


def _decode(raw: dict[str, Any], source: str, corrections: list[str]) -> tuple[DecodePoint, ...]:
    arrays = {key: _array(raw, key, source) for key in _DECODE}
    _same_length(arrays, source)
    usage, context, itl, rate = arrays.values()
    gpus, scale = 1.0, 1e-3
    if raw.get("max_kv_tokens") is not None:
        offered = usage * _array(raw, "max_kv_tokens", source)[0] / context
        light = offered <= np.quantile(offered, 0.2)
        gpus, scale = _gpus(float(np.median((offered / (rate * itl * 1e-3))[light])))
    else:
        corrections.append("No max_kv_tokens: z_itl taken as ms of an instance of one GPU.")
    corrections.append(_converted("z_itl", scale))
    corrections.append(
        f"{_degree(gpus, corrections, 'decode')} GPU of the decode instance, from requests offered / "
        "(throughput per GPU x ITL) where few are offered, taken as TP."
    )
    corrections.append(
        "Batch is throughput x ITL (Little's law): what was in steps, which stays below what was offered "
        "where the client or the KV cache held requests back."
    )
    count = max(1, round(gpus))
    batch = rate * count * itl * scale
    return tuple(
        DecodePoint(batch=float(b), context_tokens=float(c), seconds=float(t) * scale, tp=count)
        for b, c, t in zip(batch, context, itl, strict=True)
    )


def _gpus(ratio: float) -> tuple[float, float]:
    """Return GPUs of the instance and the seconds in the unit of time, from GPUs as if the unit were ms."""
    return (ratio / 1000.0, 1.0) if ratio > _LARGEST_GPUS else (ratio, 1e-3)


def _degree(gpus: float, corrections: list[str], what: str) -> int:
    """Return the whole number of GPUs; say where the ratio was not near one."""
    whole = max(1, round(gpus))
    if abs(gpus - whole) > 0.15 * whole:
        corrections.append(f"GPUs of the {what} instance come to {gpus:.3g}, no whole number: {whole} taken.")
    return whole


def _converted(name: str, scale: float) -> str:
    return (
        f"{name} converted from ms to s." if scale != 1 else f"{name} is in s here, as its throughput shows."
    )


def _array(raw: dict[str, Any], key: str, source: str) -> Array:
    """Return one array of finite positive numbers."""
    try:
        array = np.atleast_1d(np.asarray(raw[key], dtype=float)).ravel()
    except (TypeError, ValueError):
        raise InputError(f"{source}: {key} is not a list of numbers") from None
    bad = ~(np.isfinite(array) & (array > 0))
    if array.size == 0 or bad.any():
        shown = f"entry {int(np.argmax(bad))} is {array[np.argmax(bad)]:g}" if array.size else "it is empty"
        raise InputError(f"{source}: {key}: {shown}: every entry must be a number above 0")
    return array


def _same_length(arrays: dict[str, Array], source: str) -> None:
    if len({array.size for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{key} {array.size}" for key, array in arrays.items())
        raise InputError(f"{source}: arrays of different lengths ({sizes}): the file is damaged")


READER: Final = Reader(
    _NAME, "npz or JSON with prefill_isl and prefill_ttft, or x_kv_usage and z_itl", recognise, read
)
