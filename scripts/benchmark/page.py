"""The page: every comparison as bars, and all figures as tables; nothing on it has to be fetched."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from scripts.benchmark.results import PRODUCT, Results, Row, shown

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2526, #e6ecec); --soft: light-dark(#5d6b6d, #9aa8aa);
  --ground: light-dark(#f7f9f9, #14191a); --card: light-dark(#fff, #1d2425); --hair: light-dark(#dfe6e6, #303a3b);
  --ours: light-dark(#0b8a8a, #3cc4c4); --theirs: light-dark(#a9b6b8, #56656a); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); margin: 0 auto;
  max-width: 1360px; padding: 24px 16px 64px; }
h1 { font-size: 1.44em; margin: 0; } h2 { font-size: 1.2em; margin: 32px 0 8px; } .soft { color: var(--soft); }
.charts { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); }
figure, .table { background: var(--card); border: 1px solid var(--hair); border-radius: 12px; margin: 0;
  padding: 12px 16px; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: 4px; } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 13px; fill: var(--ink); } .bar { fill: var(--theirs); } .bar.ours { fill: var(--ours); }
.spread { stroke: var(--ink); } table { border-collapse: collapse; width: 100%; }
td, th { padding: 4px 8px; text-align: left; border-bottom: 1px solid var(--hair); }
td.figure { text-align: right; font-variant-numeric: tabular-nums; }
"""
WIDTH, NAMES, FIGURES, STEP = 640, 130, 70, 26


def bars(title: str, rows: Mapping[str, Row]) -> str:
    """Draw one bar for each server, the least first, with a mark from its best run to its worst."""
    ranked = sorted(rows.values(), key=lambda row: row.median)
    most = max(max(row.values) for row in ranked) or 1.0
    parts = [
        f"<figure><figcaption>{escape(title)}</figcaption>",
        f'<svg viewBox="0 0 {WIDTH} {STEP * len(ranked)}" role="img" aria-label="{escape(title)}">',
    ]

    def reach(value: float) -> float:
        return NAMES + value / most * (WIDTH - NAMES - FIGURES)

    for place, row in enumerate(ranked):
        top, middle = place * STEP + 4, place * STEP + STEP / 2
        style = "bar ours" if row.server == PRODUCT else "bar"
        parts.append(f'<text x="{NAMES - 8}" y="{middle + 4}" text-anchor="end">{escape(row.server)}</text>')
        parts.append(
            f'<rect class="{style}" x="{NAMES}" y="{top}" height="{STEP - 8}" width="{reach(row.median) - NAMES:.1f}"/>'
        )
        low, high = reach(min(row.values)), reach(max(row.values))
        parts.append(f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
        parts.append(f'<text x="{WIDTH}" y="{middle + 4}" text-anchor="end">{shown(row.median)}</text>')
    return "".join([*parts, "</svg></figure>"])


def page_of(results: Results) -> str:
    """Return the whole page."""
    charts = "".join(bars(f"{name} ({unit})", rows) for (name, unit), rows in results.compared.items())
    lines = "".join(_line(row) for row in results.rows)
    left_out = "".join(f"<li>{escape(words)}</li>" for words in results.left_out)
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What it costs</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head><body><h1>What it costs</h1>",
            f'<p class="soft">{escape(results.about)} CPU time of the server process; less is better.</p>',
            "<h2>Side by side</h2><p>The product does all that its protocol promises: everybody signed in, entries ",
            "numbered and stored, slow readers bounded. The others pass texts on and do none of that.</p>"
            if charts
            else "",
            f'<div class="charts">{charts}</div>',
            f"<h2>Left out</h2><ul>{left_out}</ul>" if left_out else "",
            '<h2>All figures</h2><div class="table"><table><thead><tr><th>what</th><th>server</th><th>unit</th>',
            f"<th>must reach</th><th>median</th><th>runs</th></tr></thead><tbody>{lines}</tbody></table></div>",
            "</body></html>",
        )
    )


def _line(row: Row) -> str:
    goal = "" if row.goal is None or row.server != PRODUCT else f"{row.goal:g}"
    runs = ", ".join(map(shown, row.values))
    words = "".join(f"<td>{escape(text)}</td>" for text in (row.name, row.server, row.unit))
    figures = "".join(f'<td class="figure">{text}</td>' for text in (goal, shown(row.median), runs))
    return f"<tr>{words}{figures}</tr>"
