"""Halves: what a database would hold if a change had been committed in part. There must never be any."""

from __future__ import annotations

from typing import Any

from tests.support.rows import run_sql

# Each of these changes two users' streams, rows of three tables, and the trail.
_REACTIONS = """
SELECT (SELECT count(*) FROM reactions),
    (SELECT count(*) FROM entries WHERE frame LIKE '%"reaction.sent"%'),
    (SELECT count(*) FROM entries WHERE frame LIKE '%"reaction.received"%'),
    (SELECT count(*) FROM notifications WHERE kind = 'reaction.received')"""
_STREAMS = """
SELECT s.user_id, s.seq, count(e.seq), min(e.seq), max(e.seq)
FROM streams s LEFT JOIN entries e ON e.user_id = s.user_id WHERE s.user_id > 0 GROUP BY 1, 2
HAVING s.seq <> count(e.seq) OR min(e.seq) <> 1 OR max(e.seq) <> s.seq"""
_TRAIL = """
SELECT user_id, mid, e.seq, a.seq FROM (SELECT user_id, mid, seq FROM entries WHERE mid IS NOT NULL) e
FULL JOIN (SELECT user_id, mid, seq FROM audit_log WHERE mid IS NOT NULL) a USING (user_id, mid)
WHERE e.seq IS DISTINCT FROM a.seq"""
_PROFILES = """
SELECT u.id, u.version, count(e.seq) FROM users u LEFT JOIN entries e
    ON e.user_id = u.id AND e.frame LIKE '%"profile.changed"%'
GROUP BY 1, 2 HAVING u.version <> 1 + count(e.seq)"""


def halves(database_url: str) -> list[tuple[Any, ...]]:
    """Return what is there in part: streams with holes, changes without their trail, rows without their entry."""
    found = [row for sql in (_STREAMS, _TRAIL, _PROFILES) for row in run_sql(database_url, sql)]
    (reactions,) = run_sql(database_url, _REACTIONS)
    return found if len(set(reactions)) == 1 else [*found, reactions]
