"""Kinds of instance by role, built when first asked for and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pdplan.planner.instances import InstanceOption, RejectedOption, Role

#: Instances of a role, and what cannot be one.
Built = tuple[list[InstanceOption], list[RejectedOption]]


@dataclass(frozen=True, eq=False)
class InstanceBook:
    """What ``build`` gives for each role, each built once.

    Examples
    --------
    >>> asked = []
    >>> book = InstanceBook(lambda role: (asked.append(role) or [], []))
    >>> book.of("prefill"), book.of("prefill"), asked
    (([], []), ([], []), ['prefill'])
    """

    build: Callable[[Role], Built]
    _kept: dict[Role, Built] = field(default_factory=dict, init=False, repr=False)

    def of(self, role: Role) -> Built:
        """Return the instances of a role, and what cannot be one.

        Raises
        ------
        InfeasibleError
            None is possible.
        """
        if role not in self._kept:
            self._kept[role] = self.build(role)
        return self._kept[role]

    def changed(self, change: Callable[[InstanceOption], InstanceOption]) -> InstanceBook:
        """Return a book of the same instances, each of them changed."""

        def build(role: Role) -> Built:
            options, rejected = self.of(role)
            return [change(option) for option in options], rejected

        return InstanceBook(build)
