"""Slots of a Redis Cluster: which node owns which name.

A name belongs to one of 16,384 slots by the CRC16 of what stands in its first ``{…}``, else of
the whole name (Redis Cluster specification, "Hash tags"); each node owns ranges of slots and
tells them on ``CLUSTER SLOTS``.
"""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Mapping
from typing import Any

SLOTS = 16_384


def slot_of(name: bytes | int | str) -> int:
    """Return the slot of a key or a channel."""
    key = name if isinstance(name, bytes) else str(name).encode()
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


def read_slots(told: Any, asked: str) -> dict[int, str]:
    """Return the ``host:port`` of the owner of each slot that has one, as ``CLUSTER SLOTS`` tells it.

    ``asked`` is who told: a node may leave its own address out. Raises ``ValueError`` for no such answer.
    """
    owners: dict[int, str] = {}
    try:
        for first, last, (host, port, *_), *_ in told:
            name = host.decode() if host else asked.rpartition(":")[0]
            owners.update(dict.fromkeys(range(first, last + 1), f"{name}:{port}"))
    except (TypeError, ValueError, AttributeError) as exc:
        raise ValueError("not the slots of a cluster") from exc
    return owners


def name_owned_by(node: str, stem: bytes, owners: Mapping[int, str]) -> bytes:
    """Return a name that begins with ``stem`` and belongs to ``node``, which owns at least one slot."""
    names = (b"%b:%d" % (stem, n) for n in itertools.count())
    return next(name for name in names if owners.get(slot_of(name)) == node)
