"""What a report says beside the traffic: faults of the servers, what the checker found, and a soak's curves."""

from __future__ import annotations

from html import escape
from typing import Any

from idling_ws.loadtest.charts import Line, over_time

_STYLES = ("a", "b", "c")
_SOAKED = (
    ("memory_bytes", "Memory", "MiB resident", 1 << 20),
    ("tasks", "Tasks", "of the event loop", 1),
    ("fds", "Open files", "sockets among them", 1),
)


def aftermath_of(summary: dict[str, Any]) -> list[str]:
    """Return the pieces of HTML, none where nothing of it was asked for."""
    return [*_injuries(summary), *_proof(summary), *_soak(summary)]


def _injuries(summary: dict[str, Any]) -> list[str]:
    injuries = summary.get("injuries")
    if not injuries:
        return []
    rows = []
    for injury in injuries:
        after_s = injury["normal_after_s"]
        ended = "not in a minute" if after_s is None else f"{after_s:.1f} s"
        rows.append(
            f"<tr><td>{escape(injury['name'])}</td><td>{injury['at_s']:.1f} s</td><td>{escape(injury['what'])}</td>"
            f'<td class="{"crossed" if after_s is None else ""}">{ended}</td></tr>'
        )
    head = "<tr><th>fault</th><th>at</th><th>what was done</th><th>until all was normal</th></tr>"
    return ["<h2>Faults</h2><table>", head, *rows, "</table>"]


def _proof(summary: dict[str, Any]) -> list[str]:
    proof = summary.get("proof")
    if proof is None:
        return []
    rows = [
        f"<tr><td>{name}</td><td></td>"
        f'<td class="{"crossed" if verdict.startswith("REFUTED") else "held"}">{escape(verdict)}</td></tr>'
        for name, verdict in proof["promises"].items()
    ]
    wrong = [f'<tr><td class="crossed">{escape(violation)}</td></tr>' for violation in proof["violations"]]
    return ["<h2>Promises</h2><table>", *rows, *wrong, "</table>"]


def _soak(summary: dict[str, Any]) -> list[str]:
    soak = summary.get("soak")
    if soak is None:
        return []
    lives = [life for life in soak["lives"] if life["readings"]]
    charts = []
    for key, title, unit, divisor in _SOAKED:
        lines = [
            Line(
                life["url"],
                _STYLES[number % len(_STYLES)],
                [(reading["at_s"], reading[key] / divisor) for reading in life["readings"]],
            )
            for number, life in enumerate(lives)
        ]
        charts.append(over_time(title, unit, lines))
    rows = [
        f"<tr><td>{escape(growth['url'])} {growth['name']}</td><td>{growth['growth']:+,.1f}</td>"
        f'<td class="{"crossed" if growth["leaks"] else "held"}">of {growth["middle"]:,.0f}, allowed '
        f"{growth['limit']:,.1f}, trend {growth['trend_z']:+.1f} sigma</td></tr>"
        for growth in soak["growths"]
    ]
    left = f"<tr><td>tasks left when all had gone</td><td>{soak['tasks_left']}</td><td></td></tr>"
    return [
        '<h2>Soak</h2><div class="charts">',
        *charts,
        "</div><h2>Growth over the second half</h2><table>",
        *rows,
        left,
        "</table>",
    ]
