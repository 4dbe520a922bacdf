"""The reports of a run: one JSON file for machines, one HTML file that needs no network for people."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import orjson

from idling_ws.loadtest.aftermath import aftermath_of
from idling_ws.loadtest.charts import Line, by_percentile, over_time
from idling_ws.loadtest.summary import COUNTS

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2526, #e6ecec); --soft: light-dark(#5d6b6d, #9aa8aa);
  --ground: light-dark(#f7f9f9, #14191a); --card: light-dark(#fff, #1d2425); --hair: light-dark(#dfe6e6, #303a3b);
  --a: light-dark(#0b8a8a, #3cc4c4); --b: light-dark(#b86e00, #f0ad4e); --c: light-dark(#b3261e, #f2857d); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
  max-width: 1360px; padding: 24px 16px 64px; }
h1 { font-size: 1.44em; margin: 0; } h2 { font-size: 1.2em; margin: 32px 0 8px; }
.soft, .unit { color: var(--soft); font-weight: normal; }
.tiles, .charts { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); }
.tile, figure, table { background: var(--card); border: 1px solid var(--hair); border-radius: 12px; }
.tile { padding: 12px 16px; } .tile b { display: block; font-size: 1.44em; font-variant-numeric: tabular-nums; }
figure { margin: 0; padding: 12px 16px; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); } .grid { stroke: var(--hair); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.line.a { stroke: var(--a); } .line.b { stroke: var(--b); } .line.c { stroke: var(--c); }
.keys { margin: 0; font-size: .85em; } .key { margin-right: 16px; } .key::before { content: "●"; margin-right: 6px; }
.key.a::before { color: var(--a); } .key.b::before { color: var(--b); } .key.c::before { color: var(--c); }
table { border-collapse: separate; border-spacing: 0; padding: 8px 16px; width: 100%; }
td { padding: 4px 8px; } td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; }
.crossed { color: var(--c); font-weight: 600; } .held { color: var(--a); }
"""

_TILES = (
    ("mutations_per_s", "mutations/s", ""),
    ("entries_per_s", "entries/s", ""),
    ("confirm_p50_ms", "confirm p50", " ms"),
    ("confirm_p99_ms", "confirm p99", " ms"),
    ("confirm_max_ms", "confirm max", " ms"),
    ("deliver_p99_ms", "other device p99", " ms"),
    ("errors", "errors", ""),
    ("unsettled", "without a verdict", ""),
)


def write_json(path: Path, summary: dict[str, Any]) -> None:
    """Write the summary as it is."""
    path.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def write_html(path: Path, summary: dict[str, Any]) -> None:
    """Write the summary as a page."""
    path.write_text(page_of(summary), encoding="utf-8")


def page_of(summary: dict[str, Any]) -> str:
    """Return the page: tiles, thresholds, charts, and every number there is."""
    options, metrics = summary["options"], summary["metrics"]
    began = datetime.fromtimestamp(summary["started_at"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ended = ", ended early" if summary["interrupted"] else ""
    title = f"Load test: {options['scenario']}"
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            f'<h1>{escape(title)}</h1><p class="soft">{began}, {metrics["duration_s"]:.1f} s{ended}, '
            f"{metrics['devices']:.0f} devices of {options['users']} users over "
            f"{escape(', '.join(options['transports']))} to {escape(', '.join(options['urls']))}</p>",
            '<div class="tiles">',
            *(_tile(label, metrics[name], unit) for name, label, unit in _TILES),
            "</div>",
            *_thresholds(summary["thresholds"]),
            '<h2>Over time</h2><div class="charts">',
            *_charts(summary),
            "</div>",
            *aftermath_of(summary),
            "<h2>Every number</h2><table>",
            *(
                f'<tr><td>{escape(name)}</td><td>{number:,.10g}</td><td class="soft">'
                f"{escape(COUNTS.get(name, ''))}</td></tr>"
                for name, number in metrics.items()
            ),
            "</table><h2>Asked for</h2><table>",
            *(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in options.items()),
            "</table></html>",
        ]
    )


def _tile(label: str, number: float, unit: str) -> str:
    return f'<div class="tile"><span class="soft">{escape(label)}</span><b>{_short(number)}{unit}</b></div>'


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def _thresholds(thresholds: list[dict[str, Any]]) -> list[str]:
    rows = [
        f"<tr><td>fail if {escape(threshold['text'])}</td><td>{threshold['value']:,.6g}</td>"
        f'<td class="{"crossed" if threshold["crossed"] else "held"}">'
        f"{'crossed' if threshold['crossed'] else 'held'}</td></tr>"
        for threshold in thresholds
    ]
    return ["<h2>Thresholds</h2><table>", *rows, "</table>"] if rows else []


def _charts(summary: dict[str, Any]) -> list[str]:
    series = summary["series"]

    def line(name: str, style: str, key: str) -> Line:
        # A second in which nothing ended has no latency, rather than none.
        points = [(tick["at_s"], tick[key]) for tick in series if tick[key] or not key.endswith("_ms")]
        return Line(name, style, points)

    percentiles = summary["percentiles"]
    return [
        over_time(
            "Throughput",
            "a second",
            [line("mutations", "a", "mutations_per_s"), line("entries", "b", "entries_per_s")],
        ),
        over_time(
            "Confirmed after",
            "ms, by second",
            [
                line("p50", "a", "confirm_p50_ms"),
                line("p99", "b", "confirm_p99_ms"),
                line("max", "c", "confirm_max_ms"),
            ],
            logarithmic=True,
        ),
        by_percentile(
            "Latency by percentile",
            "ms, whole run",
            [
                Line("confirmed", "a", percentiles["confirm"]),
                Line("on another device", "b", percentiles["deliver"]),
            ],
        ),
        over_time(
            "Connected devices and errors",
            "now, and a second",
            [line("connected", "a", "connected"), line("errors", "c", "errors_per_s")],
        ),
    ]
