"""A latency profile as a YAML file that a person can read and change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pdplan.errors import InputError

_HEADER = "# Written by pdplan profile fit. Times in ms; pdplan profile show prints step times.\n"


def target_path(output: str | None) -> Path | None:
    """Return where to write; None where nothing was asked for.

    Raises
    ------
    InputError
        A name that no scenario could give as a profile.
    """
    if output is None:
        return None
    path = Path(output)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: a profile is YAML: name it {path.stem or 'profile'}.yaml")
    return path


def profile_yaml(document: dict[str, Any]) -> str:
    """Return a profile as YAML: ranges and coefficients on one line, sentences one a line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
            numbers = all(isinstance(item, (int, float)) for item in sequence)
            return super().represent_sequence(tag, sequence, flow_style=numbers)

    text = yaml.dump(
        document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    return _HEADER + str(text)


def write_profile(path: Path, document: dict[str, Any]) -> None:
    """Write a profile, whole or not at all.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written.
    """
    from pdplan.sim.result_files import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(profile_yaml(document), encoding="utf-8")
