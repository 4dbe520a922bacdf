"""The throw-away servers: killed, frozen and restarted, they are found again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
import redis

from tests.support.rows import run_sql
from tests.support.servers import PostgresServer, RedisServer

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_each_test_has_a_database_of_its_own(postgres: PostgresServer, database_url: str) -> None:
    """Two databases of one server share nothing."""
    other_url = postgres.create_database()
    run_sql(database_url, "CREATE TABLE only_here (id int)")
    assert run_sql(other_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'") == [(0,)]
    postgres.drop_database(other_url)


def test_a_database_is_a_copy_of_its_template(postgres: PostgresServer) -> None:
    """What `fill` made once is in every copy."""

    def fill(url: str) -> None:
        run_sql(url, "CREATE TABLE ready (id int)")

    template = postgres.create_template("template_of_this_test", fill)
    assert run_sql(postgres.create_database(template), "SELECT * FROM ready") == []


def test_a_killed_postgres_comes_back_with_its_rows(own_postgres: PostgresServer) -> None:
    """SIGKILL of all its processes, then start: same address, committed rows present."""
    url = own_postgres.create_database()
    run_sql(url, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
    own_postgres.kill()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        run_sql(url, "SELECT 1")
    own_postgres.start()
    assert run_sql(url, "SELECT id FROM kept") == [(7,)]


def test_a_frozen_postgres_takes_no_statement_until_it_goes_on(own_postgres: PostgresServer) -> None:
    """SIGSTOP reaches the sessions too, and SIGCONT undoes it."""
    connection = psycopg2.connect(own_postgres.url)
    try:
        own_postgres.stop()
        with pytest.raises(psycopg2.OperationalError, match="timeout"):
            psycopg2.connect(own_postgres.url, connect_timeout=2)
        own_postgres.cont()
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        connection.close()


def test_a_killed_redis_comes_back_empty(own_redis: RedisServer) -> None:
    """It keeps nothing on purpose: the product must not need it to."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("key", "value")
        own_redis.kill()
        own_redis.start()
        assert client.get("key") is None


def test_a_frozen_redis_goes_on_where_it_was(own_redis: RedisServer) -> None:
    """SIGSTOP silences it, SIGCONT brings the same process back."""
    with (
        redis.Redis.from_url(own_redis.url) as client,
        redis.Redis.from_url(own_redis.url, socket_timeout=0.3, retry=None) as impatient,
    ):
        client.set("key", "value")
        own_redis.stop()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        own_redis.cont()
        assert client.get("key") == b"value"
        own_redis.restart()


def test_cut_subscribers_lose_their_connection(own_redis: RedisServer) -> None:
    """CLIENT KILL TYPE pubsub hits the subscriber and nobody else."""
    with redis.Redis.from_url(own_redis.url) as client:
        subscriber = client.pubsub()
        subscriber.subscribe("channel")
        assert subscriber.get_message(timeout=PATIENCE_S) is not None  # it is subscribed, and not only asked to be
        assert client.execute_command("CLIENT", "LIST", "TYPE", "pubsub")
        own_redis.cut_subscribers()
        assert not client.execute_command("CLIENT", "LIST", "TYPE", "pubsub")
        assert client.ping()
        subscriber.close()
