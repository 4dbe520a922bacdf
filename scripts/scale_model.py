"""The model behind docs/scaling.md: what so many people need, what breaks first, and what is a matter of chance.

The costs are the measured ones of docs/performance.md. How people behave is assumed, below; who knows better
changes it there and runs this again. What depends on chance (the busiest of some partitions, the return of
a dead process's devices) is drawn, with a fixed seed, and not averaged away.
"""

from __future__ import annotations

import heapq
import math
import random
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idling_ws.client.reconnecting import Ending, Reconnect

PERFORMANCE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

# -- assumed: how people behave. "People" are those who are there at the same time.
SCALES = (100_000, 1_000_000, 10_000_000)
DEVICES_EACH = 1.5
CHANGES_PER_MIN = 1.0
RECONNECTS_PER_HOUR = 1.0
DAY_TO_PEAK = 1 / 3
"""The average of a day as a share of its busiest moment."""

# -- chosen: how it is run.
SOCKETS_PER_PROCESS = 20_000
BUSY = 0.6
"""How busy a core may be on average."""
PRIMARY_CORES = 16
PRIMARY_CONNECTIONS = 500
CONNECTIONS_PER_PROCESS = 5
"""What a process holds: three lanes and two for all else."""
LOG_MIB_PER_S = 100
"""What one primary can write and its replicas can replay, one after another."""
SIGNS_EVERY_S = 15
HEARTBEATS_EVERY_S = 25
LOOK_S = 1.0
"""How long one look at the lobby may take: it is taken once a second, by one process."""
PEOPLE_PER_PARTITION = 500_000
KEPT_DAYS = 7

SEED = 20
SAMPLE = 500_000
# A person's changes are spread unevenly: few change much. The shape of a Pareto distribution, and its end.
SHAPE = 1.5
BUSIEST = 1000.0


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, by docs/performance.md: CPU in seconds, sizes in bytes."""

    change_s: float
    remote_delivery_s: float
    connect_s: float
    socket_bytes: float
    heartbeat_share: float
    """Of a core, for one socket."""
    postgres_change_s: float
    redis_change_s: float
    redis_sign_s: float
    redis_second_s: float
    """For one process and second: its share of the lobby and of the instances."""
    log_bytes: float
    kept_bytes: float
    sign_s: float
    lobby_s: float
    """For one person in it."""


def read_costs(path: Path = PERFORMANCE) -> Costs:
    """Return the measured costs. Raises ``KeyError`` naming a line that is not there."""
    text = path.read_text(encoding="utf-8")

    def median(label: str) -> float:
        found = re.search(rf"^\| {re.escape(label)}[^|]*\|(?:[^|]*\|)?\s*([\d,.]+)[^|]*\|$", text, re.MULTILINE)
        if found is None:
            raise KeyError(label)
        return float(found[1].replace(",", ""))

    return Costs(
        change_s=median("durable mutation, confirmed") / 1e6,
        remote_delivery_s=median("entry from another instance") / 1e6,
        connect_s=median("connect, authenticate") / 1e6,
        socket_bytes=median("memory per idle") * 1024,
        heartbeat_share=median("heartbeats of 5,000 sockets") / 100 / 5000,
        postgres_change_s=median("PostgreSQL, for a durable mutation") / 1e6,
        redis_change_s=median("Redis, for the same") / 1e6,
        redis_sign_s=median("Redis, for one sign of life") / 1e6,
        redis_second_s=median("Redis, for one instance and second") / 1e6,
        log_bytes=median("PostgreSQL's log"),
        kept_bytes=median("kept in the database"),
        sign_s=median("PostgreSQL, for writing down one sign") / 1e6,
        lobby_s=median("PostgreSQL, for reading a lobby of 100,000") / 1e3 / 100_000,
    )


@dataclass(frozen=True, slots=True)
class Need:
    """What so many people need, at their busiest moment."""

    people: float
    costs: Costs

    @property
    def sockets(self) -> float:
        """Open sockets."""
        return self.people * DEVICES_EACH

    @property
    def changes_per_s(self) -> float:
        """Durable changes a second."""
        return self.people * CHANGES_PER_MIN / 60

    @property
    def process_cores(self) -> float:
        """Cores that our own processes keep busy."""
        # Half of the people have a second device, which nearly always hangs on another process.
        remote = self.changes_per_s * (DEVICES_EACH - 1)
        connects = self.sockets * RECONNECTS_PER_HOUR / 3600
        return (
            self.changes_per_s * self.costs.change_s
            + remote * self.costs.remote_delivery_s
            + connects * self.costs.connect_s
            + self.sockets * self.costs.heartbeat_share
        )

    @property
    def processes(self) -> int:
        """Processes, one core each: as many as the work needs, and as keep a death small."""
        return max(2, math.ceil(self.process_cores / BUSY), math.ceil(self.sockets / SOCKETS_PER_PROCESS))

    @property
    def memory_gib(self) -> float:
        """Memory of the sockets, over all processes."""
        return self.sockets * self.costs.socket_bytes / (1 << 30)

    @property
    def postgres_cores(self) -> float:
        """Cores of the primary that changes and signs of life keep busy."""
        return self.changes_per_s * self.costs.postgres_change_s + self.people / SIGNS_EVERY_S * self.costs.sign_s

    @property
    def look_s(self) -> float:
        """How long one look at the lobby keeps a core of the primary busy. One process looks for all."""
        return self.people * self.costs.lobby_s

    @property
    def primary_cores(self) -> float:
        """The same as ``postgres_cores``, and the looks at the lobby."""
        return self.postgres_cores + min(1.0, self.look_s)

    @property
    def signs_per_s(self) -> float:
        """Signs of life that Redis is told of: a heartbeat of each socket, and each change."""
        return self.sockets / HEARTBEATS_EVERY_S + self.changes_per_s

    @property
    def redis_cores(self) -> float:
        """Cores of Redis, of which one server uses one."""
        return (
            self.changes_per_s * self.costs.redis_change_s
            + self.signs_per_s * self.costs.redis_sign_s
            + self.processes * self.costs.redis_second_s
        )

    @property
    def connections(self) -> float:
        """Connections to the primary without a pooler."""
        return self.processes * CONNECTIONS_PER_PROCESS

    @property
    def log_mib_per_s(self) -> float:
        """What the primary writes to its log."""
        return self.changes_per_s * self.costs.log_bytes / (1 << 20)

    @property
    def kept_gib(self) -> float:
        """What the entries of the days that are kept take up."""
        return self.changes_per_s * DAY_TO_PEAK * 86_400 * KEPT_DAYS * self.costs.kept_bytes / (1 << 30)


LIMITS: tuple[tuple[str, str, Callable[[Need], float], float], ...] = (
    ("the lobby, one look at it", f"{LOOK_S:.0f} s", lambda need: need.look_s, LOOK_S),
    (
        "connections to the primary",
        f"{PRIMARY_CONNECTIONS} without a pooler",
        lambda need: need.connections,
        PRIMARY_CONNECTIONS,
    ),
    ("one Redis", f"{BUSY:.1f} of its one core", lambda need: need.redis_cores, BUSY),
    (
        "changes, signs of life, the lobby",
        f"{BUSY * PRIMARY_CORES:.1f} cores of the primary",
        lambda need: need.primary_cores,
        BUSY * PRIMARY_CORES,
    ),
    ("the log of one primary", f"{LOG_MIB_PER_S} MiB/s", lambda need: need.log_mib_per_s, LOG_MIB_PER_S),
)


def breaks_at(amount: Callable[[Need], float], limit: float, costs: Costs) -> float:
    """Return how many people are the most before ``amount`` passes ``limit``: it grows with them."""
    low, high = 1000.0, 1e9
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if amount(Need(middle, costs)) <= limit else (low, middle)
    return low


def hottest(partitions: int, seed: int = SEED) -> float:
    """Return how much more than the average the busiest of so many partitions gets, people being drawn by lot."""
    draw = random.Random(seed)
    load = [0.0] * partitions
    for _ in range(SAMPLE):
        load[draw.randrange(partitions)] += min(BUSIEST, draw.paretovariate(SHAPE))
    return max(load) / statistics.fmean(load)


@dataclass(frozen=True, slots=True)
class Return:
    """How the devices of a process that died came back. ``spare``: what the others have to spare for it."""

    processes: int
    devices: int
    busiest_s: float
    longest_wait_s: float
    all_back_s: float


def come_back(need: Need, seed: int = SEED) -> Return:
    """Let one process die: its devices wait as the client does, choose another, and queue for its spare time."""
    draw = random.Random(seed)
    devices = round(need.sockets / need.processes)
    others = need.processes - 1
    service_s = need.costs.connect_s / (1 - need.process_cores / need.processes)
    arrivals: list[tuple[float, int]] = []
    for _ in range(devices):
        delay_s = Reconnect(draw).delay_s(Ending(code=1006, welcomed=True, lasted_s=3600))
        heapq.heappush(arrivals, (delay_s or 0.0, draw.randrange(others)))
    free_at, busy = [0.0] * others, [0.0] * others
    longest = 0.0
    while arrivals:
        at, process = heapq.heappop(arrivals)
        begins = max(at, free_at[process])
        free_at[process] = begins + service_s
        busy[process] += service_s
        longest = max(longest, free_at[process] - at)
    return Return(need.processes, devices, max(busy), longest, max(free_at))
