"""Metrics: what the server counts, exposed for Prometheus.

Hot paths count in plain integers of their own, which are read when somebody asks.
Only what has labels or buckets is a metric object from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from idling_ws.domain.clock import Clock
from idling_ws.observe.error_counts import BROWSER, ErrorCounts

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class _Count(Collector):
    """A counter that lives elsewhere as a plain number, read whenever somebody looks."""

    def __init__(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        self._name, self._help, self._read = name, help_text, read

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return what the number is now."""
        yield CounterMetricFamily(self._name, self._help, value=self._read())


class _Labelled(Collector):
    """Numbers that live elsewhere under names of their own, read whenever somebody looks."""

    def __init__(
        self,
        family: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        help_text: str,
        label: str,
        read: Callable[[], Iterable[tuple[str, float]]],
    ) -> None:
        self._family, self._name, self._help, self._label, self._read = family, name, help_text, label, read

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Return what the numbers are now."""
        family = self._family(self._name, self._help, labels=[self._label])
        for name, value in self._read():
            family.add_metric([name], value)
        yield family


class Metrics:
    """All metrics of one instance, in a registry of their own."""

    def __init__(self, clock: Clock) -> None:
        self.error_counts = ErrorCounts(clock)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.mutations = Counter(
            "idling_mutations",
            "Mutations by name and how they ended",
            ["name", "outcome"],
            registry=self.registry,
        )
        self.confirm_seconds = Histogram(
            "idling_confirm_seconds",
            "From a mutation's arrival to its verdict, by name",
            ["name"],
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.echo_seconds = Histogram(
            "idling_fanout_echo_seconds",
            "From telling Redis to hearing it back: the canary's round trip, once a second",
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.loop_lag = Histogram(
            "idling_loop_lag_seconds",
            "How late the event loop was, looked at four times a second",
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "idling_batch_size",
            "Mutations committed in one transaction",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self._errors = Counter("idling_errors", "Errors answered to clients, by code", ["code"], registry=self.registry)
        self.closes = Counter("idling_socket_closes", "Sockets closed by us, by code", ["code"], registry=self.registry)
        self.requests = Counter(
            "idling_http_requests", "HTTP requests by method and status", ["method", "status"], registry=self.registry
        )

        self.search_seconds = Histogram(
            "idling_search_seconds",
            "Server time of an emoji search, from the request to the encoded answer",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1),
            registry=self.registry,
        )
        self._cache_reads = Counter(
            "idling_cache_reads",
            "Reads through the cache, by data, outcome (hit, stale, miss) and the layer that answered",
            ["data", "outcome", "layer"],
            registry=self.registry,
        )
        self._pushes = Counter(
            "idling_pushes",
            "Web Pushes by outcome: sent, gone (no such browser any more), refused, failed; seen: not needed",
            ["outcome"],
            registry=self.registry,
        )
        self._browser_errors = Counter(
            "idling_browser_errors",
            "Errors that pages reported of themselves, by the name of the JavaScript error",
            ["name"],
            registry=self.registry,
        )
        self._posts = Counter(
            "idling_alert_posts",
            "Posts to the operators' webhook by outcome: sent, refused, failed",
            ["outcome"],
            registry=self.registry,
        )
        self._cache_loads = Counter(
            "idling_cache_loads", "Queries made to fill the cache, by data", ["data"], registry=self.registry
        )

        # What somebody looks at once a second, as plain numbers.
        self.settled = 0
        self.settled_s = 0.0
        self.echo_s = 0.0

    def echoed(self, took_s: float) -> None:
        """Take one round trip of the canary."""
        self.echo_s = took_s
        self.echo_seconds.observe(took_s)

    def pushed(self, outcome: str) -> None:
        """Count what became of one Web Push. Outcomes are a small closed set."""
        self._pushes.labels(outcome).inc()

    def browser_failed(self, name: str, count: int) -> None:
        """Count errors that a page reported of itself. Names are a small closed set."""
        self._browser_errors.labels(name).inc(count)
        self.error_counts.add(name, BROWSER, count)

    def posted(self, outcome: str) -> None:
        """Count what became of one post to the operators' webhook. Outcomes are a small closed set."""
        self._posts.labels(outcome).inc()

    def failed(self, code: str, route: str, *, is_a_fault: bool = True) -> None:
        """Count one error that was answered, or that ended a job. Codes and routes are closed sets.

        Operators are not told of what is no fault, whatever its code: of who is asked to come again later.
        """
        self._errors.labels(code).inc()
        self.error_counts.add(code, route, is_a_fault=is_a_fault)

    def cache_read(self, data: str, outcome: str, layer: str) -> None:
        """Count one read through the cache. All three come from small closed sets."""
        self._cache_reads.labels(data, outcome, layer).inc()

    def cache_load(self, data: str) -> None:
        """Count one query that fills the cache."""
        self._cache_loads.labels(data).inc()

    def mutation_settled(self, name: str, outcome: str, took_s: float) -> None:
        """Count one mutation that is over. Names come from the table, outcomes from it and the error codes."""
        self.mutations.labels(name, outcome).inc()
        self.settled += 1
        self.settled_s += took_s
        self.confirm_seconds.labels(name).observe(took_s)

    def info(self, **labels: str) -> None:
        """Expose which build and instance this is, as labels of ``idling_info``, which is always 1."""
        Gauge("idling_info", "Which build and instance this is", list(labels), registry=self.registry).labels(
            **labels
        ).set(1)

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Expose what ``read`` returns whenever somebody looks."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def counter(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Expose a number that only grows; ``_total`` is added to its name."""
        self.registry.register(_Count(name, help_text, read))

    def gauges(self, name: str, help_text: str, label: str, read: Callable[[], Iterable[tuple[str, float]]]) -> None:
        """Expose what ``read`` returns, by ``label``, whenever somebody looks."""
        self.registry.register(_Labelled(GaugeMetricFamily, name, help_text, label, read))

    def counters(self, name: str, help_text: str, label: str, read: Callable[[], Iterable[tuple[str, float]]]) -> None:
        """Expose numbers that only grow, by ``label``; ``_total`` is added to the name."""
        self.registry.register(_Labelled(CounterMetricFamily, name, help_text, label, read))

    def render(self) -> bytes:
        """Return the text exposition."""
        return generate_latest(self.registry)
