"""`pdplan export`: from a plan to manifests."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pdplan._version import __version__
from pdplan.cli.compiling import announce_compiling
from pdplan.cli.deployment import colocated_deployment, prefers_colocated, split_deployment
from pdplan.cli.output import load, no_as_json, print_json
from pdplan.errors import InputError
from pdplan.interop.deploy import Deployment, Export, export, require_target
from pdplan.interop.deploy.names import require_model_id
from pdplan.planner import size, verified
from pdplan.sim.result_files import whole_file


def run(
    source: str | None,
    *,
    to: str,
    output: str | None,
    colocated: bool | None,
    model_id: str | None,
    namespace: str | None,
    force: bool,
    as_json: bool,
    overrides: tuple[str, ...],
    verify: bool,
    requests: int | None,
    seed: int,
) -> None:
    """Plan, and write the manifests: to the terminal, a file or a folder."""
    require_target(to, namespace)
    if model_id is not None:
        require_model_id(model_id)
    scenario = load(source, overrides)
    with no_as_json("export", as_json=as_json):
        result = size(scenario)
    if verify:
        announce_compiling()
        result = verified(result, requests=requests, seed=seed)
    by_verdict = colocated is None and prefers_colocated(result)
    make = colocated_deployment if colocated or by_verdict else split_deployment
    deployment = make(result, model_id=model_id)
    made = export(deployment, to, namespace=namespace)
    paths = destinations(made, output, force=force)
    if paths is not None:
        write(made, paths)
    if by_verdict:
        split, instead = result.cost.usd_per_hour, result.colocated.cost
        assert instead is not None
        say(
            f"the verdict is to colocate ({instead.usd_per_hour:.2f} USD/h, {split:.2f} split), so that "
            "fleet is written: --split writes the other"
        )
    if as_json:
        print_json(document(deployment, made, paths))
    elif paths is None:
        sys.stdout.write(made.files[0].text)
        if made.files[0].name.endswith(".json"):  # a format without comments
            for line in (*made.against, *deployment.notes, *made.notes):
                say(line)
    else:
        for path in paths:
            print(f"wrote {path}")


def say(text: str) -> None:
    """Say something beside the manifest."""
    print(f"pdplan: {text}", file=sys.stderr)


def destinations(made: Export, output: str | None, *, force: bool) -> tuple[Path, ...] | None:
    """Return where each file goes; None: to the terminal.

    Raises
    ------
    InputError
        Several files and no folder, or a file that exists and --force is not given.
    """
    names = [f.name for f in made.files]
    several = len(names) > 1
    if output is None:
        if several:
            raise InputError(
                f"{made.target} is {len(names)} files ({', '.join(names)}): give a folder with -o DIR"
            )
        return None
    target = Path(output)
    if several and target.exists() and not target.is_dir():
        raise InputError(f"-o {output} is a file and {made.target} is {len(names)} files: give a folder")
    folder = several or target.is_dir() or output.endswith("/")
    paths = tuple(target / name for name in names) if folder else (target,)
    for path in paths:
        if path.is_dir():
            raise InputError(f"{path} is a folder: remove it, or give another name with -o")
        if path.exists() and not force:
            raise InputError(f"{path} exists: give --force to write over it, or another name with -o")
    return paths


def write(made: Export, paths: tuple[Path, ...]) -> None:
    """Write all files, each under a temporary name until all are written.

    Raises
    ------
    InputError
        A folder that does not exist or cannot be written.
    """
    folder = paths[0].parent
    if not folder.exists() and folder.parent.is_dir():
        try:
            folder.mkdir()
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}") from None
    with ExitStack() as stack:
        temporary = [stack.enter_context(whole_file(path)) for path in paths]
        for path, file in zip(temporary, made.files, strict=True):
            path.write_text(file.text, encoding="utf-8")


def document(deployment: Deployment, made: Export, paths: tuple[Path, ...] | None) -> dict[str, Any]:
    """Return the JSON form: where the files are, or their text where they were not written."""
    files: list[dict[str, Any]] = []
    for i, file in enumerate(made.files):
        entry: dict[str, Any] = {"name": file.name}
        entry |= {"text": file.text} if paths is None else {"path": str(paths[i])}
        files.append(entry)
    return {
        "schema": "pdplan.export/1",
        "version": __version__,
        "target": made.target,
        "checked_against": list(made.against),
        "model_id": deployment.model_id,
        "fleet": deployment.label,
        "gpus": deployment.gpus,
        "split": deployment.is_split,
        "files": files,
        "notes": [*deployment.notes, *made.notes],
    }
