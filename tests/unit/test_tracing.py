"""Traces are wanted and cannot be had: said at the start, by the name of what is missing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from idling_ws.cli import main
from idling_ws.config import load_settings
from idling_ws.observe.tracing import TracingMissingError, check_installed, open_tracing

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def test_no_endpoint_means_no_traces() -> None:
    """And nothing is looked for."""
    assert open_tracing(None, "1") is None


def test_without_the_extra_the_start_says_which_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before any server is started; without an endpoint nobody misses it."""
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    check_installed(None)
    with pytest.raises(TracingMissingError, match=r"idling-ws\[otel\]"):
        check_installed("http://127.0.0.1:4318")
    environ = {"IDLING_OTEL_ENDPOINT": "http://127.0.0.1:4318", "IDLING_DATA_DIR": str(tmp_path / "data")}
    result = CliRunner().invoke(main, ["serve", "--port", "0"], env=environ)
    assert result.exit_code == 1
    assert "idling-ws[otel]" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "data" / "postgres").exists()


async def test_a_collector_that_is_away_holds_up_nothing() -> None:
    """What was to be sent is given up at the end."""
    tracing = open_tracing("http://127.0.0.1:9", "1")
    assert tracing is not None
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tracing.mutation("favorite.add", "0" * 16, done)
    done.cancel()
    with tracing.request("GET", "/version", {"traceparent": "nonsense"}) as span:
        tracing.answered(span, 503, None)
    async with asyncio.timeout(45):
        await tracing.stop()


def test_the_endpoint_is_ours_or_opentelemetrys() -> None:
    """Ours wins; another scheme is a mistake."""
    theirs = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318"}
    assert load_settings({}).otel_endpoint is None
    assert load_settings(theirs).otel_endpoint == "http://a:4318"
    assert load_settings({**theirs, "IDLING_OTEL_ENDPOINT": "https://b"}).otel_endpoint == "https://b"
