"""The instances that tests run: one deployment, reached from outside."""

from __future__ import annotations

from tests.support.instances import Instance, running_instances
from tests.support.wire_client import connect, sign_in


async def test_a_change_on_one_instance_reaches_the_device_on_the_other(pair: tuple[Instance, Instance]) -> None:
    """The whole way: two processes, one PostgreSQL, one Redis."""
    a, b = pair
    login = await sign_in(a.url)
    async with await connect(a.url, login.token) as here, await connect(b.url, login.token) as there:
        verdict = await here.mutate("session.start", {"activity": "watching rain"})
        entry = await there.expect("entry")
        assert here.welcome["instance"] != there.welcome["instance"]
        assert verdict["status"] == "confirmed"
        assert entry == here.entries[-1]
        assert there.state["session"] == verdict["result"]["session"]


def test_an_instance_is_killed_frozen_and_ended_by_its_pid(migrated_url: str, redis_url: str) -> None:
    """Killed and started again it is another life on the same port; ended in order it exits with 0."""
    with running_instances(migrated_url, redis_url, 1) as (instance,):
        first = instance.readiness()[1]["instance"]
        instance.kill()
        instance.start()
        assert first != instance.readiness()[1]["instance"]
        instance.stop()
        instance.cont()
        assert instance.readiness()[0] == 200
        assert instance.terminate() == 0
        assert instance.logged("is down")
