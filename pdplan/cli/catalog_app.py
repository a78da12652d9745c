"""The group ``pdplan catalog``: what its commands take and which face they run."""

from __future__ import annotations

from typing import Annotated

import typer

from pdplan.cli.options import JsonOption

catalog_app = typer.Typer(
    help="List and show models, accelerators, links, workloads, latency profiles.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@catalog_app.command("ls")
def catalog_ls(
    kind: Annotated[
        str | None,
        typer.Argument(help="models, accelerators, links, workloads or latency.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the names in the catalog."""
    import pdplan.cli.catalog as face

    face.ls(kind, as_json=json)


@catalog_app.command("show")
def catalog_show(
    name: Annotated[str, typer.Argument(help="A name or alias.")],
    json: JsonOption = False,
) -> None:
    """Show one entry of the catalog with its sources."""
    import pdplan.cli.catalog as face

    face.show(name, as_json=json)
