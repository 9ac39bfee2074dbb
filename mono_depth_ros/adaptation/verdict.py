# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the gate says: checks, each with its number and its threshold, and what follows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
import math
from typing import Any

EDGE = 1e-4  # what rounding and two orders of adding make of equal numbers


@dataclass(frozen=True)
class Check:
    """
    One criterion.

    Attributes
    ----------
    name : str
        What is compared.
    value, threshold : float
        The number, and what it is held against.
    relation : str
        ``<=``, ``>=`` or ``>``: how the value must stand to the threshold.
    meaning : str
        What it means if it does not.
    required : bool
        A check that is not required is told and decides nothing.

    """

    name: str
    value: float
    threshold: float
    relation: str
    meaning: str
    required: bool = True

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side; NaN never is."""
        if self.relation == '<=':
            return self.value <= self.threshold + EDGE
        if self.relation == '>':
            return self.value > self.threshold
        return self.value >= self.threshold - EDGE

    def __str__(self) -> str:
        state = 'ok' if self.passed else self.meaning if self.required else 'not met, told only'
        return f'{self.name} {self.value:.4g} {self.relation} {self.threshold:.4g}: {state}'


@dataclass(frozen=True)
class Verdict:
    """What the gate says, with every number it looked at."""

    checks: tuple[Check, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether every required check passed; without any check nothing is accepted."""
        return bool(self.checks) and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The required checks that did not pass."""
        return tuple(check for check in self.checks if check.required and not check.passed)

    @property
    def reason(self) -> str:
        """Say in one line why it was refused, or that it was not."""
        if not self.checks:
            return 'nothing was checked'
        if not self.failed:
            return f'all {sum(check.required for check in self.checks)} checks passed'
        return '; '.join(
            f'{check.meaning} ({check.name} {check.value:.4g}, must be {check.relation} '
            f'{check.threshold:.4g})'
            for check in self.failed
        )

    def plus(self, *checks: Check) -> Verdict:
        """Return a verdict with more checks."""
        return Verdict((*self.checks, *checks), self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; numbers that are not finite become None."""

        def plain(value: object) -> object:
            return None if isinstance(value, float) and not math.isfinite(value) else value

        return {
            'accepted': self.accepted,
            'reason': self.reason,
            'checks': [
                {name: plain(value) for name, value in asdict(check).items()}
                | {'passed': check.passed}
                for check in self.checks
            ],
            'notes': {name: plain(value) for name, value in self.notes.items()},
        }
