"""Faults planted into a recorded history, each with the words in which the checker must name it."""

from __future__ import annotations

from collections.abc import Callable

from idling_ws.proof.digests import digest_of, verdict_digest
from tests.support.histories import EPOCH, MadeHistory, Record


def lose(history: MadeHistory) -> None:
    # The client noticed nothing: the entry is missing and the next was applied all the same.
    del history.records[history.find("entry", d="u1.2", seq=5)]


def lose_the_last(history: MadeHistory) -> None:
    del history.records[history.find("entry", d="u1.2", seq=12)]


def lose_the_last_and_say_so(history: MadeHistory) -> None:
    lose_the_last(history)
    history.change("final", {"d": "u1.2"}, cursor=f"{EPOCH}.11.1")


def lose_a_shared_one(history: MadeHistory) -> None:
    del history.records[history.find("entry", d="u2.1", stream="all")]


def drop_as_known(history: MadeHistory) -> None:
    history.change("entry", {"d": "u1.1", "seq": 5}, outcome="known")


def apply_twice(history: MadeHistory) -> None:
    at = history.find("entry", d="u1.1", seq=5)
    history.records.insert(at + 1, dict(history.records[at]))


def swap(history: MadeHistory) -> None:
    first = history.find("entry", d="u1.1", seq=5)
    second = history.find("entry", d="u1.1", seq=6)
    records = history.records
    records[first], records[second] = records[second], records[first]


def swap_and_heal(history: MadeHistory) -> None:
    # The line reordered; the client refused the first and took it when it came again.
    at = history.find("entry", d="u1.1", seq=5)
    early = {**history.records[history.find("entry", d="u1.1", seq=6)], "outcome": "gap"}
    history.records.insert(at, early)


def effect_twice(history: MadeHistory) -> None:
    # The same mutation made another entry later on.
    def again(record: Record) -> None:
        record.update(mid="m1-5", status="confirmed")
        record["verdict"] = history.records[history.find("entry", mid="m1-5")]["verdict"]

    history.change_all("entry", {"seq": 7, "mid": "m1-7"}, again)


def effect_twice_in_an_entry(history: MadeHistory) -> None:
    history.change_all("entry", {"mid": "m1-5"}, lambda record: record.update(effects=["preferences.changed"] * 2))


def effect_twice_behind_an_entry(history: MadeHistory) -> None:
    # The row was changed twice, the entry tells of the second time only.
    def count_on(record: Record) -> None:
        if record.get("versions") and record["seq"] >= 5:
            record["versions"] = {"preferences": record["versions"]["preferences"] + 1}

    for device in ("u1.1", "u1.2"):
        history.change_all("entry", {"d": device}, count_on)


def effect_without_verdict(history: MadeHistory) -> None:
    history.change_all("entry", {"mid": "m1-5"}, lambda record: record.update(mid=None))
    history.records = [record for record in history.records if record.get("mid") != "m1-5"]


def effect_of_a_rejection(history: MadeHistory) -> None:
    history.change_all("entry", {"mid": "m1-8"}, lambda record: record.update(effects=["preferences.changed"]))


def effect_of_another(history: MadeHistory) -> None:
    history.change_all("entry", {"mid": "m1-5"}, lambda record: record.update(effects=["session.started"]))


def change_verdict(history: MadeHistory) -> None:
    history.change("verdict", {"mid": "m1-3"}, status="rolled_back")


def change_result(history: MadeHistory) -> None:
    history.change("verdict", {"mid": "m1-3"}, verdict=verdict_digest("confirmed", {"other": 1}, None, None))


def move_verdict(history: MadeHistory) -> None:
    history.change("verdict", {"mid": "m1-3"}, seq=4)


def confirm_without_entry(history: MadeHistory) -> None:
    at = history.find("verdict", mid="m1-3")
    ghost = {**history.records[at], "mid": "ghost", "seq": None}
    history.records.insert(at, ghost)


def confirm_as_anothers_entry(history: MadeHistory) -> None:
    at = history.find("verdict", mid="m1-3")
    history.records.insert(at, {**history.records[at], "mid": "ghost"})


def never_answer(history: MadeHistory) -> None:
    at = history.find("send", mid="m1-3")
    history.records.insert(at, {**history.records[at], "mid": "unheard"})


def never_answer_and_say_so(history: MadeHistory) -> None:
    never_answer(history)
    history.change("final", {"d": "u1.1"}, unsettled=["unheard"])


def accept_other_arguments(history: MadeHistory) -> None:
    at = history.find("verdict", mid="m1-3")
    history.records.insert(at, {**history.records[at], "request": digest_of("other")})


def refuse_own_arguments(history: MadeHistory) -> None:
    history.change("verdict", {"mid": "m1-3"}, code="mid_reused", status="rolled_back")


def other_bytes(history: MadeHistory) -> None:
    history.change("entry", {"d": "u1.2", "seq": 5}, digest=digest_of("other"))


def foreign_entry(history: MadeHistory) -> None:
    # User 2 got, as its own entry 5, the very entry of user 1.
    digest = history.records[history.find("entry", d="u1.1", seq=5)]["digest"]
    for device in ("u2.1", "u2.2"):
        history.change("entry", {"d": device, "seq": 5}, digest=digest)


def foreign_mutation(history: MadeHistory) -> None:
    for device in ("u2.1", "u2.2"):
        history.change("entry", {"d": device, "seq": 6}, mid="m1-6")


def wrong_final_state(history: MadeHistory) -> None:
    history.change("final", {"d": "u1.2"}, state=digest_of("wrong"))


def two_snapshots(history: MadeHistory) -> None:
    at = history.find("snapshot", user=1)
    history.records.insert(at, {**history.records[at], "state": digest_of("wrong")})


def stale_snapshot(history: MadeHistory) -> None:
    history.change("snapshot", {"user": 1}, cursor=f"{EPOCH}.9.1")


def silent_fresh_start(history: MadeHistory) -> None:
    at = history.find("welcome", d="u1.2", resumed=True)
    history.records[at].update(resumed=False, reason="new", state=digest_of("x"))


def sent_back(history: MadeHistory) -> None:
    at = history.find("welcome", d="u1.2", resumed=True)
    history.records[at].update(resumed=False, reason="expired", state=digest_of("x"), head=f"{EPOCH}.3.0")


def entry_before_welcome(history: MadeHistory) -> None:
    del history.records[history.find("welcome", d="u1.2", resumed=True)]


PLANTED: dict[Callable[[MadeHistory], None], str] = {
    lose: "P4: device u1.2: user entry 6 came after 4",
    lose_the_last: f"P4: device u1.2: ended at {EPOCH}.12.1, but what it applied ends at {EPOCH}.11.1",
    lose_the_last_and_say_so: f"P4: device u1.2: ended at {EPOCH}.11.1 and never reached {EPOCH}.12.1",
    lose_a_shared_one: f"P4: device u2.1: ended at {EPOCH}.12.1, but what it applied ends at {EPOCH}.12.0",
    drop_as_known: "P4: device u1.1: user entry 5 was dropped as known at 4: it is lost",
    apply_twice: "P4: device u1.1: user entry 5 was applied after 5",
    swap: "P4: device u1.1: user entry 6 came after 4",
    swap_and_heal: "P4: device u1.1: user entry 5 came late, after 6",
    effect_twice: "P2: mutation m1-5 took effect in entry 5 and in entry 7",
    effect_twice_in_an_entry: "P2: entry 5 of user 1 has preferences.changed 2 times",
    effect_twice_behind_an_entry: "P2: user 1: preferences went from version 4 (entry 3) to 6 (entry 5)",
    effect_without_verdict: "P3: entry 5 of user 1 has preferences.changed but no verdict",
    effect_of_a_rejection: "P3: entry 8 of user 1 was rolled back and has preferences.changed",
    effect_of_another: "P3: mutation m1-5 (preferences.set) had the effects session.started",
    change_verdict: "P2: mutation m1-3 was confirmed and then rolled_back",
    change_result: "P2: mutation m1-3 has two different verdicts, both confirmed",
    move_verdict: "P2: mutation m1-3 took effect in entry 3 and in entry 4",
    confirm_without_entry: "P3: mutation ghost was confirmed without an entry",
    confirm_as_anothers_entry: "P3: mutation ghost was told as entry 3, but that entry holds no verdict",
    never_answer: "P2: mutation unheard never got a verdict",
    never_answer_and_say_so: "P2: device u1.1: mutation unheard never got a verdict",
    accept_other_arguments: "P2: mutation m1-3 was sent with other arguments and not refused",
    refuse_own_arguments: "P2: mutation m1-3 was refused as reused, with its own arguments",
    other_bytes: "P4: device u1.2: user entry 5 of user 1 is not what another device got",
    foreign_entry: "P4: user 2 got as entry 5 what user 1 got as entry 5",
    foreign_mutation: "P4: mutation m1-6 of user 1 came in an entry of user 2",
    wrong_final_state: f"P9: device u1.2: its state at {EPOCH}.12.1 is not the server's",
    two_snapshots: f"P9: user 1: two snapshots at {EPOCH}.12.1 are not the same",
    stale_snapshot: f"P9: user 1: a snapshot at {EPOCH}.9.1 although user entry 12 was out before",
    silent_fresh_start: f"P5: device u1.2: came with {EPOCH}.6.0 and was started afresh without a reason",
    sent_back: f"P5: device u1.2: was sent back from {EPOCH}.6.0 to {EPOCH}.3.0",
    entry_before_welcome: "P4: device u1.2: got user entry 7 before its welcome",
}
