"""The `pdplan` command. Every command imports what it needs when it runs: ``--help`` stays fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from pdplan._version import __version__
from pdplan.cli.catalog_app import catalog_app
from pdplan.cli.commands import over_time, planning, running, search, solving, what_if, writing
from pdplan.cli.profile_app import profile_app
from pdplan.cli.serve import serve
from pdplan.cli.workload_app import workload_app
from pdplan.errors import EXIT_BUG, PdplanError

#: click's ClickException, of whichever click this typer carries: BadParameter < UsageError < ClickException.
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]

#: Exit code after Ctrl-C, as of shells: 128 and the number of the signal.
INTERRUPTED: Final = 130

app = typer.Typer(
    name="pdplan",
    help="How many prefill and decode instances do you need, and should you split them at all?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"pdplan {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


#: The order of ``pdplan --help``; groups come after.
_COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("plan", planning.plan),
    ("designs", planning.designs),
    ("validate", planning.validate),
    ("split", planning.split),
    ("sensitivity", what_if.sensitivity),
    ("break-even", what_if.break_even),
    ("simulate", running.simulate),
    ("goodput", running.goodput),
    ("placement", search.placement),
    ("pareto", search.pareto),
    ("predict", running.predict),
    ("explain", writing.explain),
    ("solve", solving.solve),
    ("export", writing.export),
    ("sweep", search.sweep),
    ("schedule", over_time.schedule),
    ("replan", over_time.replan),
    ("observe", over_time.observe),
    ("doubt", what_if.doubt),
    ("spares", what_if.spares),
    ("serve", serve),
    ("schema", writing.schema),
)
for _name, _declared in _COMMANDS:
    app.command(_name)(_declared)
app.add_typer(catalog_app, name="catalog")
app.add_typer(profile_app, name="profile")
app.add_typer(workload_app, name="workload")


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 (an honest no), 2 (bad input) or 3 (a bug in pdplan)."""
    # Matrices here are small: BLAS threads cost more than they bring (must be said before numpy loads).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(guarded(lambda: app(args=argv, prog_name="pdplan", standalone_mode=False)))


def guarded(call: Callable[[], Any]) -> int:
    """Run ``call`` and turn whatever it raises into an exit code and one line on standard error."""
    try:
        result = call()
    except PdplanError as error:
        print(f"pdplan: {error}", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except BrokenPipeError:
        # The reader (head, less) left: nothing to say, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, _USAGE_ERROR):
            usage: Any = error
            print(_usage_line(usage), file=sys.stderr)
            return int(usage.exit_code)
        if os.environ.get("PDPLAN_DEBUG"):
            raise
        print(
            f"pdplan: a bug in pdplan {__version__}: {type(error).__name__}: {error}; "
            "please report it with the scenario (PDPLAN_DEBUG=1 shows the traceback)",
            file=sys.stderr,
        )
        return EXIT_BUG
    if result == INTERRUPTED:  # typer catches Ctrl-C itself, and says nothing
        return _interrupted()
    return result if isinstance(result, int) else 0


def _interrupted() -> int:
    print("pdplan: interrupted", file=sys.stderr)
    return INTERRUPTED


def _usage_line(usage: Any) -> str:
    """Say in one line what is wrong with the command line; no arguments at all: the help."""
    message = str(usage.format_message())
    if "\n" in message:
        return message
    context = getattr(usage, "ctx", None)
    where = f" (see {context.command_path} -h)" if context is not None else ""
    plain = message.rstrip(".").replace("Input should be", "it must be")
    return f"pdplan: {plain[:1].lower()}{plain[1:]}{where}"
