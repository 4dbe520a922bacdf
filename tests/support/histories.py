"""Clean histories, made up record by record, for the checker to be tried on.

Two users with two devices each; mutations confirmed, rolled back and repeated; a
reconnect that resumed; announcements on the shared stream; snapshots and ends. A test
takes one, breaks a single thing, and the checker must find it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psycopg2

from idling_ws.proof.digests import digest_of, request_digest, verdict_digest
from idling_ws.proof.history import FORMAT

Record = dict[str, Any]

EPOCH = "k3f9Zq2b"


class MadeHistory:
    """The records of a clean run, and the rows that its database would hold."""

    def __init__(self, *, users: int = 2, mutations: int = 12) -> None:
        self.records: list[Record] = [
            {"op": "run", "t": 0.0, "format": FORMAT, "run": "r", "scenario": "mixed", "process": 0}
        ]
        self.rows: list[tuple[int, int, str | None, bytes]] = []
        self._now = 1.0
        for user in range(1, users + 1):
            self._live(user, mutations)

    def _write(self, op: str, **fields: Any) -> None:
        self._now += 0.001
        self.records.append({"op": op, "t": self._now, **fields})

    def _live(self, user: int, mutations: int) -> None:
        devices = [f"u{user}.{number}" for number in (1, 2)]
        for device in devices:
            self._write("device", d=device, user=user)
            self._connect(device, None, f"{EPOCH}.0.0", "fresh" + str(user))
        for seq in range(1, mutations + 1):
            self._mutation(user, devices, seq)
            if seq == mutations // 2:
                self._write("close", d=devices[1], via="ws", code=1006)
                self._connect(devices[1], f"{EPOCH}.{seq}.0", f"{EPOCH}.{seq}.0", None)
        end = f"{EPOCH}.{mutations}.1"
        shared = digest_of({"stream": "all", "seq": 1})
        for device in devices:
            self._write("entry", d=device, stream="all", seq=1, digest=shared, outcome="applied")
        state = digest_of({"user": user, "seq": mutations})
        self._write("snapshot", user=user, cursor=end, state=state)
        for device in devices:
            self._write("final", d=device, cursor=end, state=state, goal=end, unsettled=[])

    def _connect(self, device: str, cursor: str | None, head: str, state: str | None) -> None:
        self._write("connect", d=device, via="ws", url="http://a", cursor=cursor)
        self._write(
            "welcome",
            d=device,
            via="ws",
            head=head,
            resumed=cursor is not None,
            reason="new" if cursor is None else None,
            state=None if state is None else digest_of(state),
        )

    def _mutation(self, user: int, devices: list[str], seq: int) -> None:
        mid = f"m{user}-{seq}"
        # Every fourth is refused by the rules; the others each count the version up by one.
        rejected = seq % 4 == 0
        version = 1 + seq - seq // 4
        status = "rolled_back" if rejected else "confirmed"
        result = None if rejected else {"preferences": {"version": version}}
        error = {"code": "conflict", "message": "no", "trace_id": f"t{seq}"} if rejected else None
        items: list[Record] = []
        if not rejected:
            items.append({"kind": "preferences.changed", "patch": result})
        items.append({"kind": "verdict", "mid": mid, "status": status, "result": result, "error": error})
        frame = {"type": "entry", "stream": "user", "seq": seq, "at": f"{user}:{seq}", "items": items}
        self.rows.append((user, seq, mid, orjson.dumps(frame)))
        digest = verdict_digest(status, result, error, None)
        request = request_digest("preferences.set", {"values": {"theme": str(seq)}}, None)
        verdict = {"mid": mid, "status": status, "verdict": digest, "code": "conflict" if rejected else None}
        self._write("send", d=devices[0], mid=mid, name="preferences.set", request=request, via="ws")
        for device in devices:
            self._write(
                "entry",
                d=device,
                stream="user",
                seq=seq,
                digest=digest_of(frame),
                outcome="applied",
                effects=[] if rejected else ["preferences.changed"],
                versions={} if rejected else {"preferences": version},
                **verdict,
            )
        if seq % 3 == 0:
            self._write("send", d=devices[1], mid=mid, name="preferences.set", request=request, via="rest")
            self._write("verdict", d=devices[1], seq=seq, duplicate=True, via="rest", request=request, **verdict)

    # --- planting ------------------------------------------------------------------------

    def find(self, op: str, **fields: Any) -> int:
        """Return where the first record is that has these fields."""
        for index, record in enumerate(self.records):
            if record["op"] == op and all(record.get(name) == value for name, value in fields.items()):
                return index
        raise LookupError(f"no {op} with {fields}")

    def change(self, op: str, where: Record, **changed: Any) -> None:
        """Change the first record that has these fields."""
        self.records[self.find(op, **where)].update(changed)

    def change_all(self, op: str, where: Record, change: Callable[[Record], None]) -> None:
        """Change every record that has these fields."""
        for record in self.records:
            if record["op"] == op and all(record.get(name) == value for name, value in where.items()):
                change(record)

    def write(self, path: Path) -> Path:
        """Write the history out, with its end."""
        lines = [orjson.dumps(record) for record in self.records]
        lines.append(orjson.dumps({"op": "end", "t": self._now, "lines": len(lines)}))
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    def write_rows(self, database_url: str) -> None:
        """Put the rows into a migrated database, and its epoch."""
        with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE log_epoch SET epoch = %s", (EPOCH,))
            cursor.executemany(
                "INSERT INTO entries (user_id, seq, mid, frame, at) VALUES (%s, %s, %s, %s, now())",
                [(user, seq, mid, frame.decode()) for user, seq, mid, frame in self.rows],
            )
            cursor.execute(
                "INSERT INTO shared_entries (seq, frame, at) VALUES (1, %s, now())",
                (orjson.dumps({"stream": "all", "seq": 1}).decode(),),
            )
        connection.close()
