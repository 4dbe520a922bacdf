"""Charts: small SVG drawings with nothing in them that a browser would have to fetch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 220
# Anything below is nothing to the eye, and trouble for logarithms.
SMALLEST = 1e-6
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 30

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; ``style`` is a class of the page's style sheet."""

    name: str
    style: str
    points: Sequence[Point]


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 5, 10… at or above ``value``."""
    if value < SMALLEST:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999999)


def short(value: float) -> str:
    """Return a number as an axis would have it."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    return f"{value / 1000:g} k" if value >= 10_000 else f"{value:g}"


def over_time(title: str, unit: str, lines: Sequence[Line], *, logarithmic: bool = False) -> str:
    """Draw lines over the seconds of a run."""
    right = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    ticks = [(right * part / 4, f"{right * part / 4:.0f} s") for part in range(5)]
    return _chart(title, unit, lines, ticks, (0.0, right), logarithmic=logarithmic)


def by_percentile(title: str, unit: str, lines: Sequence[Line]) -> str:
    """Draw latencies by percentile, each step to the right a tenth of those above."""
    marks = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
    scaled = [Line(line.name, line.style, [(_nines(x), y) for x, y in line.points if x < 100]) for line in lines]
    ticks = [(_nines(mark), f"{mark:g} %") for mark in marks]
    return _chart(title, unit, scaled, ticks, (0.0, _nines(99.99)), logarithmic=True)


def _nines(percentile: float) -> float:
    return -math.log10(1 - percentile / 100)


def _chart(
    title: str,
    unit: str,
    lines: Sequence[Line],
    ticks: Sequence[tuple[float, str]],
    span: tuple[float, float],
    *,
    logarithmic: bool,
) -> str:
    highest = max((y for line in lines for _, y in line.points), default=0.0)
    scale = _Scale(span, _logarithmic(lines) if logarithmic else (0.0, nice_ceiling(highest)), logarithmic)
    parts = [
        f'<figure><figcaption>{escape(title)} <span class="unit">{escape(unit)}</span></figcaption>',
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
    ]
    for value in scale.marks():
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for at, label in ticks:
        x = scale.x(at)
        anchor = "end" if x > WIDTH - RIGHT - 10 else "middle"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(label)}</text>')
    for line in lines:
        path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
    parts.append("</svg>")
    keys = "".join(f'<span class="key {line.style}">{escape(line.name)}</span>' for line in lines)
    parts.append(f'<p class="keys">{keys}</p></figure>')
    return "".join(parts)


def _logarithmic(lines: Sequence[Line]) -> tuple[float, float]:
    values = [y for line in lines for _, y in line.points if y >= SMALLEST] or [1.0, 10.0]
    low = 10.0 ** math.floor(math.log10(min(values)))
    high = 10.0 ** math.ceil(math.log10(max(values)) + 1e-9)
    return low, high if high > low else low * 10


@dataclass(frozen=True, slots=True)
class _Scale:
    span: tuple[float, float]
    values: tuple[float, float]
    logarithmic: bool

    def x(self, at: float) -> float:
        low, high = self.span
        return LEFT + (at - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.values
        if self.logarithmic:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - TOP - BOTTOM)

    def marks(self) -> list[float]:
        low, high = self.values
        if not self.logarithmic:
            return [high * part / 4 for part in range(5)]
        decades = round(math.log10(high / low))
        return [low * 10**step for step in range(decades + 1)]
