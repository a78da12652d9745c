"""The catalog: find an entry by name or alias, read it, list what there is.

One YAML file per entry, ``<name>.yaml``, so one entry is found without reading the others. Aliases are
found by scanning the text of the files, which costs about a millisecond and only when the name is no file.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from pdplan.errors import UnknownNameError, did_you_mean
from pdplan.spec.accelerator import Accelerator
from pdplan.spec.document import read_mapping, read_text, validated
from pdplan.spec.link import Link
from pdplan.spec.model_spec import ModelSpec

#: kind (the folder) -> what one entry is called
KINDS: Final = {
    "architectures": "model",
    "accelerators": "accelerator",
    "links": "link",
    "workloads": "workload",
    "latency": "latency profile",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_ALIASES = re.compile(r"^aliases:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)


def catalog_root() -> Path:
    """Return the folder of the catalog: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def catalog_names(kind: str) -> list[str]:
    """Return the names of one kind, sorted.

    Raises
    ------
    UnknownNameError
        There is no such kind.

    Examples
    --------
    >>> "h100-sxm-80gb" in catalog_names("accelerators")
    True
    """
    return sorted(path.stem for path in _folder(kind).glob("*.yaml"))


def catalog_document(kind: str, name: str) -> dict[str, Any]:
    """Return one entry as it is written: plain text, numbers, lists and mappings.

    Raises
    ------
    UnknownNameError
        There is no such kind or name.

    Examples
    --------
    >>> catalog_document("accelerators", "H100")["memory"]
    '81559 MiB'
    """
    return read_mapping(catalog_path(kind, name))


def catalog_path(kind: str, name: str) -> Path:
    """Return the file of one entry, by its name or an alias, in any case.

    Raises
    ------
    UnknownNameError
        There is no such kind or name; the message names the nearest ones.
    """
    folder = _folder(kind)
    wanted = str(name).strip().lower()
    path = folder / f"{wanted}.yaml"
    if _NAME.fullmatch(wanted) and path.is_file():
        return path
    aliases = catalog_aliases(kind)
    if wanted in aliases:
        return folder / f"{aliases[wanted]}.yaml"
    hint = did_you_mean(wanted, [*catalog_names(kind), *aliases])
    raise UnknownNameError(
        f"unknown {KINDS[kind]} {str(name)[:120]!r}{hint or '; `pdplan catalog ls` lists the known names'}"
    )


@cache
def catalog_aliases(kind: str) -> dict[str, str]:
    """Return the other names of one kind, in lower case, each with the name it stands for.

    Examples
    --------
    >>> catalog_aliases("architectures")["meta-llama/llama-3.1-70b-instruct"]
    'llama-3.1-70b'
    """
    found: dict[str, str] = {}
    for path in sorted(_folder(kind).glob("*.yaml")):
        match = _ALIASES.search(read_text(path))
        names = match[1].split(",") if match else []
        found |= {n.strip().strip("'\"").lower(): path.stem for n in names if n.strip()}
    return found


def load_model(name: str | Path, *, base: Path | None = None) -> ModelSpec:
    """Return a model by catalog name, alias, or path to a Hugging Face ``config.json`` (or its folder).

    Parameters
    ----------
    name : str or Path
        What the scenario says.
    base : Path, optional
        Folder that a relative path starts from. Default the working directory.

    Raises
    ------
    UnknownNameError
        Neither a known name nor a file.
    InputError
        A file that is not a usable ``config.json``.
    UnsupportedError
        A ``config.json`` of an architecture that is not modelled.

    Examples
    --------
    >>> load_model("meta-llama/Llama-3.1-70B-Instruct").shape.layers
    80
    """
    try:
        return _model(catalog_path("architectures", str(name)))
    except UnknownNameError as error:
        path = _config_path((base or Path()) / name)
        if path is None:
            raise UnknownNameError(f"{error} (or give the path of a Hugging Face config.json)") from None
    from pdplan.spec.hf_config import model_from_hf_config

    return model_from_hf_config(path)


def load_accelerator(name: str) -> Accelerator:
    """Return an accelerator by name or alias.

    Raises
    ------
    UnknownNameError
        There is no such accelerator.

    Examples
    --------
    >>> load_accelerator("h100").memory_bytes
    85520809984.0
    """
    return _accelerator(catalog_path("accelerators", name))


def load_link(name: str) -> Link:
    """Return a link by name or alias.

    Raises
    ------
    UnknownNameError
        There is no such link.

    Examples
    --------
    >>> load_link("ib-ndr-400g").bytes_per_s
    50000000000.0
    """
    return _link(catalog_path("links", name))


def _config_path(path: Path) -> Path | None:
    """Return the config file that ``path`` means, or None where it means none."""
    try:
        path = path / "config.json" if path.is_dir() else path
        return path if path.suffix == ".json" or path.is_file() else None
    except (OSError, ValueError):  # a text that cannot be a path: too long, or with a null byte
        return None


@cache
def _model(path: Path) -> ModelSpec:
    return validated(ModelSpec, read_mapping(path), str(path))


@cache
def _accelerator(path: Path) -> Accelerator:
    return validated(Accelerator, read_mapping(path), str(path))


@cache
def _link(path: Path) -> Link:
    return validated(Link, read_mapping(path), str(path))


def _folder(kind: str) -> Path:
    if kind not in KINDS:
        raise UnknownNameError(
            f"unknown catalog kind {kind!r}{did_you_mean(kind, KINDS) or '; there are ' + ', '.join(KINDS)}"
        )
    return catalog_root() / kind
