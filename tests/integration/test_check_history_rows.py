"""The checker against real tables of the log: what was confirmed must stand there."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner, Result

from idling_ws.proof.cli import main
from tests.support.histories import EPOCH, MadeHistory


def check(history: MadeHistory, folder: Path, database_url: str) -> Result:
    """Run the checker with the database at hand."""
    path = history.write(folder / "h.jsonl")
    return CliRunner().invoke(main, [str(path), "--database-url", database_url])


def test_a_history_that_the_database_bears_out_passes(tmp_path: Path, migrated_url: str) -> None:
    """Every verdict has its row, every row is what was delivered."""
    history = MadeHistory()
    history.write_rows(migrated_url)
    result = check(history, tmp_path, migrated_url)
    assert result.exit_code == 0, result.output
    assert "18  confirmed mutations found in the database" in result.output
    assert "6  rolled_back mutations found in the database" in result.output
    assert "25  rows equal to what was delivered" in result.output


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (
            "DELETE FROM entries WHERE user_id = 1 AND seq = 7",
            "P1: mutation m1-7 of user 1 was told confirmed as entry 7, and has no row",
        ),
        ("DELETE FROM entries WHERE user_id = 1 AND seq = 7", "P1: the rows of user 1 go from entry 6 to 8"),
        (
            "DELETE FROM entries WHERE user_id = 1 AND seq = 12",
            "P1: entry 12 of user 1 was delivered, but its rows end at 11",
        ),
        ("DELETE FROM entries WHERE user_id = 2", "P1: mutation m2-1 of user 2 was told confirmed"),
        (
            "UPDATE entries SET frame = replace(frame, 'confirmed', 'rolled_back') WHERE mid = 'm1-5'",
            "P1: mutation m1-5 was told confirmed, its row says rolled_back",
        ),
        (
            "UPDATE entries SET frame = replace(frame, '1:5', '1:6') WHERE mid = 'm1-5'",
            "P1: entry 5 of user 1 was delivered other than its row says",
        ),
        (
            "UPDATE entries SET mid = 'other' WHERE mid = 'm1-5'",
            "P3: the row of entry 5 of user 1 has no verdict of other",
        ),
        ("UPDATE shared_entries SET frame = '{}'", "P1: entry 1 of everybody was delivered other than"),
    ],
)
def test_a_fault_planted_in_the_database_is_found(
    statement: str, complaint: str, tmp_path: Path, migrated_url: str
) -> None:
    """Absent, altered or misplaced rows, each by name."""
    history = MadeHistory()
    history.write_rows(migrated_url)
    with psycopg2.connect(migrated_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()
    result = check(history, tmp_path, migrated_url)
    assert result.exit_code == 1, result.output
    assert complaint in result.output


def test_what_retention_took_is_left_open(tmp_path: Path, migrated_url: str) -> None:
    """Old rows may be gone; that proves nothing."""
    history = MadeHistory()
    history.write_rows(migrated_url)
    with psycopg2.connect(migrated_url) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM entries WHERE seq <= 3")
    connection.close()
    result = check(history, tmp_path, migrated_url)
    assert result.exit_code == 0, result.output
    assert "6  verdicts older than the rows that the database keeps" in result.output


def test_another_life_of_the_log_is_left_open(tmp_path: Path, migrated_url: str) -> None:
    """Rows of a restored database say nothing about the history of the old one."""
    result = check(MadeHistory(), tmp_path, migrated_url)
    assert result.exit_code == 0, result.output
    assert "2  users whose epoch is not the database's" in result.output
    assert EPOCH not in result.output


def test_a_database_out_of_reach_is_unusable_input(tmp_path: Path) -> None:
    """Not a violation, and not a pass."""
    result = check(MadeHistory(), tmp_path, "postgresql://127.0.0.1:1/none")
    assert result.exit_code == 2
    assert "unusable: the database" in result.output
