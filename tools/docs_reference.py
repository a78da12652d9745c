"""Reference pages written from the code: the command line from typer, the library from its docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

#: Public packages, with what they are.
PACKAGES = {
    "pdplan": "The functions of every day.",
    "pdplan.planner": "Plans, designs, verdicts, doubt: what composes everything below.",
    "pdplan.serving.economics": "The two ledgers of splitting.",
    "pdplan.serving.prefill": "Prefill of equal prompts: DistServe's formulas.",
    "pdplan.serving.decode": "The decode batch.",
    "pdplan.queueing": "Waiting-time laws.",
    "pdplan.latency": "How long one step takes.",
    "pdplan.workload": "Lengths, arrivals, traces.",
    "pdplan.spec": "What users write: scenarios, models, accelerators, links.",
    "pdplan.sim": "The discrete-event engine.",
    "pdplan.interop": "Other people's files, in and out.",
    "pdplan.symbolic": "Formulas shown and inverted.",
    "pdplan.units": "Quantities with units.",
    "pdplan.errors": "Everything that pdplan raises.",
}
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^\n]*?)(?: : ([^\n]+))?\n((?:    [^\n]*\n?|\n)*)", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return the path and the Markdown of every page."""
    found = {"reference/cli.md": cli_page()}
    for package in PACKAGES:
        found[f"reference/{package}.md"] = package_page(package)
    return found


# ---------------------------------------------------------------- command line


def cli_page() -> str:
    """Return every command with its arguments and options."""
    from typer.main import get_command

    from pdplan.cli.app import app

    lines = [
        "# Command line",
        "",
        "Exit codes: 0 done; 1 an honest no; 2 bad input; 3 a bug in pdplan. `-` as a scenario reads "
        "standard input; without one, most commands run the built-in example and say so.",
    ]
    root: Any = get_command(app)
    for name, command in _commands(root, "pdplan"):
        lines += ["", f"## `{name}`", "", inspect.cleandoc(command.help or ""), ""]
        rows = [_parameter(p) for p in command.params if p.name not in ("help", "version")]
        if rows:
            lines += ["| argument or option | |", "| --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for key, sub in below.items():
        yield from _commands(sub, f"{name} {key}")


def _parameter(p: Any) -> str:
    names = (
        ", ".join([*p.opts, *p.secondary_opts])
        if p.param_type_name == "option"
        else p.name.upper()
        if p.metavar is None
        else p.metavar
    )
    words = (getattr(p, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    value = getattr(p, "metavar", None)
    shown = f"`{names}`" + (f" `{value}`" if value and p.param_type_name == "option" else "")
    default = p.default
    plain = isinstance(default, int | float | str) and not isinstance(default, bool) and default != ""
    if plain and "Default" not in words:
        words += f" Default: {default}."
    return f"| {shown} | {words} |"


# ---------------------------------------------------------------- library


def package_page(package: str) -> str:
    """Return the public names of a package."""
    module = importlib.import_module(package)
    lines = [f"# `{package}`", "", PACKAGES[package], "", _prose(inspect.getdoc(module) or "")]
    for name in _names(module):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            lines += ["", f"## `{name}`", "", *_signature(name, thing), "", _docstring(thing)]
    return "\n".join(lines) + "\n"


def _names(module: Any) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [n for n in listed if not n.startswith("__")]
    own = module.__name__
    return [
        n
        for n, thing in vars(module).items()
        if not n.startswith("_") and getattr(thing, "__module__", None) == own
    ]


def _signature(name: str, thing: Any) -> list[str]:
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return []
    text = re.sub(r"'([^']*)'", r"\1", re.sub(r"<factory>|<object object at 0x[0-9a-f]+>", "...", text))
    whole = f"{name}{text}"
    return ["```text", whole if len(whole) <= 88 else _broken(name, thing, text), "```"]


def _broken(name: str, thing: Any, text: str) -> str:
    """Return a long signature with one parameter a line."""
    found = inspect.signature(thing)
    back = text.rpartition(" -> ")[2] if " -> " in text else ""
    kinds = [p.kind for p in found.parameters.values()]
    lines = []
    for i, p in enumerate(found.parameters.values()):
        if p.kind is p.KEYWORD_ONLY and p.KEYWORD_ONLY not in kinds[:i] and p.VAR_POSITIONAL not in kinds:
            lines.append("    *,")
        shown = re.sub(r"<factory>|<object object at 0x[0-9a-f]+>", "...", str(p)).replace("'", "")
        lines.append(f"    {shown},")
    return "\n".join([f"{name}(", *lines, ")" + (f" -> {back}" if back else "")])


def _docstring(thing: Any) -> str:
    """Return a numpy-style docstring as Markdown."""
    text = inspect.getdoc(thing) or ""
    pieces = _SECTION.split(text)
    out = [_prose(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title == "Examples":
            out += ["", "**Examples**", "", "```pycon", body.strip(), "```"]
        elif title in ("Notes", "References"):
            out += ["", f"**{title}**", "", _prose(body.strip())]
        else:
            out += ["", f"**{title}**", "", _entries(body)]
    return "\n".join(out)


def _entries(body: str) -> str:
    rows = []
    for entry in _ENTRY.finditer(body.strip("\n") + "\n"):
        name, kind, words = entry[1], entry[2], inspect.cleandoc(entry[3] or "")
        shown = f"`{name}`" + (f" ({kind})" if kind else "")
        rows.append(f"- {shown}" + (f": {_prose(' '.join(words.split()))}" if words else ""))
    return "\n".join(rows) or _prose(body.strip())


def _prose(text: str) -> str:
    """Return text with the marks of docstrings turned into those of Markdown."""
    text = re.sub(
        r"^\.\. math::[ ]*([^\n]*(?:\n(?:[ ]+[^\n]+|[ ]*(?=\n[ ]+\S)))*)",
        lambda m: f"\n$$ {' '.join(m[1].split())} $$\n",
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r":math:`([^`]+)`", r"\\(\1\\)", text)
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    text = re.sub(r"^>>> .*(?:\n(?!\n).*)*", lambda m: f"```pycon\n{m[0]}\n```", text, flags=re.MULTILINE)
    return re.sub(r"``([^`]+)``", r"`\1`", text)
