"""`pdplan serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to bind; 0.0.0.0 lets others in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to bind; 0: any.")] = 8080,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, max=64, help="Processes for the API. Default: one a core.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve the page to play with, and the JSON API (extra: web)."""
    from pdplan.web.server import run

    run(host=host, port=port, workers=workers or 0)
