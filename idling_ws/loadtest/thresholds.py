"""Thresholds: ``--fail-if "confirm_p99_ms>250"``, read strictly and before the run begins."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

_FORM = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

# Counters by code: any code may be named, and one that never came counts as 0.
OPEN_PREFIXES = ("error.", "rejected.", "close.")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition under which the run fails."""

    metric: str
    sign: str
    limit: float

    @classmethod
    def parse(cls, text: str, metrics: Collection[str]) -> Threshold:
        """Read ``metric sign number``. Raises ``ValueError``, naming the metrics there are."""
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(f"{text!r} is not of the form confirm_p99_ms>250 (signs: < <= > >= == !=)")
        metric, sign, limit = form.groups()
        if metric not in metrics and not metric.startswith(OPEN_PREFIXES):
            raise ValueError(f"there is no metric {metric!r}; there are {', '.join(sorted(metrics))}")
        return cls(metric, sign, float(limit))

    def crossed(self, metrics: Mapping[str, float]) -> bool:
        """Whether the run fails by this. What was not measured fails: no number is no pass."""
        value = metrics.get(self.metric, 0.0)
        return math.isnan(value) or _OPERATORS[self.sign](value, self.limit)

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.limit:g}"
