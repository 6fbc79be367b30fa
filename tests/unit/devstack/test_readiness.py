"""What the services' answers mean."""

import json

from services.devstack.ask import Answer
from services.devstack.readiness import list_failing


def answer(status: int, **body: object) -> Answer:
    return Answer(status, json.dumps(body).encode())


def test_a_service_with_the_directory_is_ready() -> None:
    assert list_failing("intake", answer(200, ready=True, directory_version=3), version=3) == []


def test_a_newer_directory_will_do() -> None:
    assert list_failing("intake", answer(200, ready=True, directory_version=4), version=3) == []


def test_a_service_with_an_older_directory_is_not_ready() -> None:
    assert list_failing("intake", answer(200, ready=True, directory_version=2), version=3) == [
        "intake: directory"
    ]


def test_a_service_that_does_not_say_its_version_is_not_ready() -> None:
    assert list_failing("intake", answer(200, ready=True), version=3) == ["intake: directory"]


def test_failing_checks_are_named() -> None:
    said = answer(503, ready=False, checks={"database": "ok", "kafka": "no answer in time"})
    assert list_failing("notify", said, version=1) == ["notify: kafka"]


def test_silence_and_nonsense_are_not_readiness() -> None:
    assert list_failing("routing", None, version=1) == ["routing: no answer"]
    assert list_failing("routing", Answer(502, b"<html>"), version=1) == ["routing: HTTP 502"]
    assert list_failing("routing", Answer(200, b"[]"), version=1) == ["routing: directory"]
