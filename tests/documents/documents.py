"""The documents' blocks of code, and what they say of themselves."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```([\w-]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"#\s*exit (\d)")


@dataclass(frozen=True)
class Block:
    """One block of code, and the notes written before it."""

    page: Path
    language: str
    text: str
    notes: str

    @property
    def slow(self) -> bool:
        return "<!-- slow -->" in self.notes

    def note(self, key: str) -> str | None:
        found = re.search(rf"<!-- {key}: (\S+) -->", self.notes)
        return found[1] if found else None

    def commands(self) -> list[tuple[str, int]]:
        """Commands with the exit code that they say; continued lines joined."""
        text = re.sub(r"\\\n\s*", "", self.text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found = [(line, _EXIT.search(line)) for line in lines]
        return [(line, int(code[1]) if code else 0) for line, code in found]


def blocks(page: Path) -> list[Block]:
    """Blocks of a page, in order."""
    return [Block(page, m[2], m[3], m[1]) for m in _BLOCK.finditer(page.read_text())]


def arguments(line: str) -> list[str]:
    """Words of a command after its first, without the remark."""
    return shlex.split(line, comments=True)[1:]


def commands_of(start: str) -> list[str]:
    """Every command of any document that starts like this."""
    seen = [b for p in PAGES for b in blocks(p) if b.language in ("console", "bash")]
    return [line for block in seen for line, _ in block.commands() if line.startswith(start)]
