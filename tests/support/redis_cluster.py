"""A Redis Cluster of three masters on this machine, each of which a test may kill and bring back."""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import redis

from idling_ws.store.redis_slots import SLOTS, slot_of
from tests.support.binaries import find_redis_server
from tests.support.servers import RedisServer, ServerStartError, free_port

NODES = 3
AGREE_S = 60.0
OLDEST = 7


def can_shard() -> bool:
    """Whether the Redis that the tests run knows sharded pub/sub; the one from the wheel does not."""
    said = subprocess.run([find_redis_server(), "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"v=(\d+)", said)
    return version is not None and int(version[1]) >= OLDEST


class ClusterNode(RedisServer):
    """One node. It keeps its identity over restarts, and none of its data."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__()
        self._bus_port = free_port()
        self._timeout_ms = timeout_ms

    @property
    def name(self) -> str:
        """Its address, as the cluster tells it."""
        return f"127.0.0.1:{self.port}"

    def say(self, *words: object) -> object:
        """Send one command to this node and return its answer."""
        with self._connect() as client:
            return client.execute_command(*words)

    def follows(self) -> bool:
        """Whether it is a replica, and has all that its master holds."""
        with contextlib.suppress(redis.RedisError):
            said = self.say("INFO", "replication")
            return isinstance(said, dict) and said.get("master_link_status") == "up"
        return False

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            *("--cluster-enabled", "yes", "--cluster-port", str(self._bus_port)),
            # Who is left goes on with what is theirs.
            *("--cluster-require-full-coverage", "no", "--cluster-node-timeout", str(self._timeout_ms)),
            # A replica takes its master's place however long it has not heard of it.
            *("--repl-diskless-sync-delay", "0"),
            *("--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"),
        ]


class RedisCluster:
    """Three nodes, each with a third of the slots, and a replica of each if wanted.

    ``timeout_ms``: after so long without an answer a node counts as dead.
    """

    def __init__(self, *, with_replicas: bool = False, timeout_ms: int = 15_000) -> None:
        self.nodes = [ClusterNode(timeout_ms) for _ in range(NODES)]
        self.replicas = [ClusterNode(timeout_ms) for _ in range(NODES if with_replicas else 0)]

    @property
    def all(self) -> list[ClusterNode]:
        """Every node, whatever it is just now: those that began as masters first."""
        return [*self.nodes, *self.replicas]

    @property
    def url(self) -> str:
        """As ``IDLING_REDIS_URL`` takes it."""
        return "redis+cluster://" + ",".join(node.name for node in self.nodes)

    def __enter__(self) -> Self:
        with ThreadPoolExecutor(NODES) as starters:
            list(starters.map(ClusterNode.start, self.all))
        bounds = [SLOTS * n // NODES for n in range(NODES + 1)]
        for n, node in enumerate(self.nodes):
            node.say("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            node.say("CLUSTER", "ADDSLOTSRANGE", bounds[n], bounds[n + 1] - 1)
            for other in self.nodes[:n]:
                node.say("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus_port)
        self.wait_until(lambda: all(self._agrees(node) for node in self.nodes))
        for master, replica in zip(self.nodes, self.replicas, strict=False):
            replica.say("CLUSTER", "MEET", "127.0.0.1", master.port, master._bus_port)
            self.wait_until(functools.partial(self._is_made_to_follow, replica, master))
        self.wait_until(lambda: all(replica.follows() for replica in self.replicas))
        self.wait_until(lambda: all(self._agrees(node) for node in self.all))
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.all:
            with contextlib.suppress(ServerStartError):
                node.close()

    def owner(self, name: bytes) -> ClusterNode:
        """Return the node that owns a key or a channel, as the first one that answers sees it."""
        for asked in self.all:
            with contextlib.suppress(redis.RedisError):
                for first, last, (_, port, *_), *_ in asked.say("CLUSTER", "SLOTS"):  # type: ignore[attr-defined]  # a list
                    if first <= slot_of(name) <= last:
                        return next(node for node in self.all if node.port == port)
        raise ServerStartError("nobody owns it")

    def move(self, name: bytes, target: ClusterNode) -> None:
        """Give the slot of ``name``, and what is in it, to another node, as ``redis-cli --cluster reshard`` does."""
        source, slot = self.owner(name), slot_of(name)
        source_id, target_id = source.say("CLUSTER", "MYID"), target.say("CLUSTER", "MYID")
        target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := source.say("CLUSTER", "GETKEYSINSLOT", slot, 100):
            assert isinstance(keys, list)
            source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.say("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until ``is_so()``."""
        deadline = time.monotonic() + AGREE_S
        while not is_so():
            if time.monotonic() > deadline:
                raise ServerStartError("the nodes of the cluster do not agree")
            time.sleep(0.05)

    @staticmethod
    def _is_made_to_follow(replica: ClusterNode, master: ClusterNode) -> bool:
        """Let ``replica`` follow ``master``; False while it does not know it yet."""
        with contextlib.suppress(redis.RedisError):
            return replica.say("CLUSTER", "REPLICATE", master.say("CLUSTER", "MYID")) in (b"OK", True)
        return False

    def _agrees(self, node: ClusterNode) -> bool:
        with contextlib.suppress(redis.RedisError):
            said = node.say("CLUSTER", "INFO")
            assert isinstance(said, bytes)
            return b"cluster_state:ok" in said and b"cluster_slots_assigned:%d" % SLOTS in said
        return False
