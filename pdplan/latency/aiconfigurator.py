"""NVIDIA AIConfigurator's performance database as a source of step times.

The optional package ``aiconfigurator`` (0.12 or later; Apache-2.0; Linux x86-64) carries measured times of
single operations, and a model of how they make up a step: arXiv 2601.06288. Prefill steps are its
``static_ctx``, decode steps its ``static_gen``. Nothing is fetched: models are asked for only if their
configuration is in the package.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pdplan.errors import InputError, UnsupportedError, did_you_mean
from pdplan.latency.database_steps import database_steps
from pdplan.latency.profile import LatencyProfile

PREFIX: Final = "aiconfigurator:"
_FORM: Final = re.compile(r"aiconfigurator:([a-z0-9_]+)/([a-z0-9_]+)(?:/([\w.+-]+))?$")
_BACKENDS: Final = ("vllm", "sglang", "trtllm")
#: Accelerators of the catalog by the name that the database gives them.
SYSTEMS: Final = {
    "a100_sxm": ("a100-80gb",),
    "b200_sxm": ("b200-sxm-180gb",),
    "b300_sxm": ("b300-sxm-288gb",),
    "gb200": ("gb200",),
    "gb300": ("gb300",),
    "h100_sxm": ("h100-sxm-80gb",),
    "h200_sxm": ("h200-sxm-141gb",),
    "l4": ("l4",),
    "l40s": ("l40s",),
    "rtx_pro_6000_server": ("rtx-pro-6000-blackwell",),
}
#: Models of the catalog: name on Hugging Face, dtype of its weights there, and what fp8 weights are.
MODELS: Final = {
    "deepseek-r1": ("deepseek-ai/DeepSeek-R1", "fp8", "fp8_block"),
    "deepseek-v3": ("deepseek-ai/DeepSeek-V3", "fp8", "fp8_block"),
    "deepseek-v3.1": ("deepseek-ai/DeepSeek-V3", "fp8", "fp8_block"),
    "gpt-oss-120b": ("openai/gpt-oss-120b", "mxfp4", "fp8"),
    "gpt-oss-20b": ("openai/gpt-oss-20b", "mxfp4", "fp8"),
    "kimi-k2": ("moonshotai/Kimi-K2-Instruct", "fp8", "fp8_block"),
    "llama-3.1-405b": ("meta-llama/Meta-Llama-3.1-405B", "bf16", "fp8"),
    "llama-3.1-405b-fp8": ("meta-llama/Meta-Llama-3.1-405B", "bf16", "fp8"),
    "llama-3.1-70b": ("meta-llama/Meta-Llama-3.1-70B", "bf16", "fp8"),
    "llama-3.1-70b-fp8": ("meta-llama/Meta-Llama-3.1-70B", "bf16", "fp8"),
    "llama-3.1-8b": ("meta-llama/Meta-Llama-3.1-8B", "bf16", "fp8"),
    "llama-3.1-8b-fp8": ("meta-llama/Meta-Llama-3.1-8B", "bf16", "fp8"),
    "mixtral-8x7b": ("mistralai/Mixtral-8x7B-v0.1", "bf16", "fp8"),
    "qwen3-235b-a22b": ("Qwen/Qwen3-235B-A22B", "bf16", "fp8_block"),
    "qwen3-30b-a3b": ("Qwen/Qwen3-30B-A3B", "bf16", "fp8_block"),
    "qwen3-32b": ("Qwen/Qwen3-32B", "bf16", "fp8_block"),
    "qwen3-8b": ("Qwen/Qwen3-8B", "bf16", "fp8_block"),
}
_KV_MODES: Final = {"bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "int8"}


@dataclass(frozen=True, slots=True)
class DatabaseName:
    """What ``aiconfigurator:SYSTEM/BACKEND[/VERSION]`` names; no version: its current one."""

    system: str
    backend: str
    version: str | None

    @classmethod
    def parse(cls, text: str) -> DatabaseName:
        """Read the text of ``latency:``.

        Raises
        ------
        InputError
            Another form, or a backend that AIConfigurator does not have.

        Examples
        --------
        >>> DatabaseName.parse("aiconfigurator:h200_sxm/vllm")
        DatabaseName(system='h200_sxm', backend='vllm', version=None)
        >>> DatabaseName.parse("aiconfigurator:h200_sxm/vlm")
        Traceback (most recent call last):
        pdplan.errors.InputError: aiconfigurator:h200_sxm/vlm: the backend is 'vlm'; did you mean vllm? It ...
        """
        match = _FORM.match(text)
        if match is None:
            raise InputError(
                f"{text!r} is not understood: write aiconfigurator:SYSTEM/BACKEND or "
                "aiconfigurator:SYSTEM/BACKEND/VERSION, such as aiconfigurator:h200_sxm/vllm"
            )
        system, backend, version = match.groups()
        if backend not in _BACKENDS:
            raise InputError(
                f"{text}: the backend is {backend!r}{did_you_mean(backend, _BACKENDS) or ';'} "
                f"It must be one of {', '.join(_BACKENDS)}"
            )
        if system not in SYSTEMS:
            raise InputError(
                f"{text}: the system is {system!r}{did_you_mean(system, SYSTEMS) or ';'} "
                f"It must be one of {', '.join(SYSTEMS)}"
            )
        return cls(system, backend, version)


@lru_cache(maxsize=16)
def aiconfigurator_profile(
    text: str,
    model_name: str,
    *,
    weights_dtype: str,
    kv_dtype: str,
    tps: tuple[int, ...],
    longest_tokens: int,
) -> LatencyProfile:
    """Ask the installed database for the step times of a model at each TP, as a latency profile.

    Parameters
    ----------
    text : str
        ``aiconfigurator:SYSTEM/BACKEND[/VERSION]``.
    model_name : str
        Name in the catalog.
    weights_dtype, kv_dtype : str
        As pdplan names them.
    tps : tuple of int
        Degrees of tensor parallelism; those that the model or the database cannot have are left out.
    longest_tokens : int
        Longest context [tok].

    Raises
    ------
    UnsupportedError
        The package is not installed; it does not know the model or the dtype.
    InputError
        A database that it does not have, or not for any of the degrees.
    """
    name = DatabaseName.parse(text)
    with _quietly():
        package = _package()
        database, version = _database(package, name, text)
        ask = _questions(package, database, name, model_name, weights_dtype, kv_dtype)
        source = f"AIConfigurator {package.release}, {name.system} {name.backend} {version}, isolated steps"
        variants, errors, reasons = {}, {}, []
        for tp in sorted(set(tps)):
            try:
                steps = database_steps(*ask(tp), longest_tokens=longest_tokens, source=source)
            except Exception as error:  # of whatever kind: the package is another's
                reasons.append(f"TP{tp}: {_line(error)}")
                continue
            variants[tp, 1] = steps
            errors[tp, 1] = (
                f"prefills of several or cached prompts within {steps.attention_error:.1%} (root mean square)"
            )
    if not variants:
        raise InputError(
            f"{text} has no step times of {model_name}: {reasons[0] if reasons else 'no TP asked'}"
        )
    return LatencyProfile(
        name=text,
        model_name=model_name,
        accelerator=SYSTEMS[name.system][0],
        engine=f"{name.backend} {version}",
        weights_dtype=weights_dtype,
        kv_dtype=kv_dtype,
        source=source,
        variants=variants,
        kv_capacity={},
        fit_errors=errors,
        notes=("modelled from measured operations; without the engine's own scheduling", *reasons),
    )


@dataclass(frozen=True, slots=True)
class _Package:
    """The modules of the package that are used."""

    perf_database: Any
    config: Any
    models: Any
    common: Any
    get_backend: Any
    release: str


def _package() -> _Package:
    try:
        from importlib.metadata import version

        from aiconfigurator_core.sdk import (  # type: ignore[import-not-found, unused-ignore]
            common,
            config,
            models,
            perf_database,
        )
        from aiconfigurator_core.sdk.backends.factory import (  # type: ignore[import-not-found, unused-ignore]
            get_backend,
        )
    except ImportError as error:
        missing = error.name or ""
        why = "" if missing.startswith("aiconfigurator") else f" ({_line(error)})"
        raise UnsupportedError(
            f"aiconfigurator:... needs the package aiconfigurator{why}: pip install 'pdplan[aiconfigurator]'"
        ) from None
    return _Package(perf_database, config, models, common, get_backend, version("aiconfigurator_core"))


def _database(package: _Package, name: DatabaseName, text: str) -> tuple[Any, str]:
    """Return the database and its version."""
    slots = package.perf_database.get_version_slots(name.system, name.backend)
    if not slots:
        raise InputError(
            f"{text}: AIConfigurator {package.release} has no data of {name.system} {name.backend}"
        )
    asked = name.version or "current"
    version = slots.get(asked, asked)
    if version not in slots.values():
        known = ", ".join(dict.fromkeys(slots.values()))
        raise InputError(
            f"{text}: AIConfigurator {package.release} has {name.backend} {known} on {name.system}, "
            f"not {asked}"
        )
    database = package.perf_database.get_database(name.system, name.backend, version)
    if database is None:
        raise InputError(f"{text}: AIConfigurator {package.release} cannot load these data")
    return database, str(version)


def _questions(
    package: _Package, database: Any, name: DatabaseName, model_name: str, weights: str, kv: str
) -> Callable[[int], tuple[Callable[[int, int, int], float], Callable[[int, int], float]]]:
    """Return what makes the two questions (prefill, decode) of a TP."""
    path, gemm, moe = _model_modes(package, model_name, weights)
    if kv not in _KV_MODES:
        raise UnsupportedError(f"AIConfigurator has no kv_dtype {kv}: one of {', '.join(_KV_MODES)}")
    backend = package.get_backend(name.backend)
    common = package.common

    def at(tp: int) -> tuple[Callable[[int, int, int], float], Callable[[int, int], float]]:
        settings: dict[str, Any] = {
            "tp_size": tp,
            "kvcache_quant_mode": common.KVCacheQuantMode[_KV_MODES[kv]],
        }
        if gemm is not None:
            settings |= {
                "gemm_quant_mode": common.GEMMQuantMode[gemm],
                "moe_quant_mode": common.MoEQuantMode[moe],
            }
        if package.models.check_is_moe(path):
            settings |= {"moe_tp_size": tp, "moe_ep_size": 1}
        model = package.models.get_model(path, package.config.ModelConfig(**settings), name.backend)

        def seconds(mode: str, batch: int, tokens: int, output: int, cached: int) -> float:
            run = package.config.RuntimeConfig(batch_size=batch, isl=tokens, osl=output, prefix=cached)
            return float(backend.run_static_latency_only(model, database, run, mode=mode)) / 1e3

        return (
            lambda prompts, tokens, cached: seconds("static_ctx", prompts, tokens + cached, 1, cached),
            lambda batch, context: seconds("static_gen", batch, context, 2, 0),
        )

    return at


def _model_modes(package: _Package, model_name: str, weights: str) -> tuple[str, str | None, str | None]:
    """Return the model's name there and the modes of its weights; None: as it was released.

    Raises
    ------
    UnsupportedError
        A model or dtype that the package does not have.
    """
    there = set(getattr(package.common, "DefaultHFModels", ()))
    entry = MODELS.get(model_name)
    if entry is None or entry[0] not in there:
        known = ", ".join(n for n, (path, _, _) in MODELS.items() if path in there)
        raise UnsupportedError(f"AIConfigurator {package.release} does not have {model_name}; it has {known}")
    path, released, fp8 = entry
    if weights == released:
        return path, None, None
    if weights == "bf16":
        return path, "bfloat16", "bfloat16"
    if weights == "fp8":
        return path, fp8, fp8
    raise UnsupportedError(
        f"AIConfigurator: weights_dtype {weights} of {model_name} is not mapped: bf16 or fp8"
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the package's log and warnings off the terminal: what matters is in the profile."""
    loggers = [logging.getLogger(n) for n in ("aiconfigurator", "aiconfigurator_core")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
