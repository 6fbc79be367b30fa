"""What follows an attempt: outcomes from statuses, steps from outcomes, paths from the directory."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.directory import AgencyRecord, Contact, EndpointRecord
from schemas.vocabulary import EndpointContent, Role, Rung, Urgency
from services.notify.delivery import (
    Attempt,
    Channel,
    Delivered,
    DeliveryState,
    GiveUp,
    Outcome,
    Path,
    RetryAt,
    Trouble,
    find_enhanced_code,
    has_missed,
    judge_status,
    judge_trouble,
    next_step,
    plan_paths,
)
from services.notify.schedule import SCHEDULES, Schedule

NOW = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
EVERY_CHANNEL = frozenset(Channel)
schedules = st.sampled_from(list(SCHEDULES.values()))
chances = st.floats(min_value=0, max_value=1, exclude_max=True)
waits = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))


def unavailable(retry_after: timedelta | None = None) -> Attempt:
    return Attempt(Outcome.UNAVAILABLE, retry_after=retry_after)


@pytest.mark.parametrize(
    ("channel", "outcomes"),
    [
        (
            Channel.WEBHOOK,
            {
                Outcome.DELIVERED: (200, 201, 202, 204, 299),
                Outcome.REFUSED: (300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422, 451),
                Outcome.UNAVAILABLE: (408, 425, 429, 500, 501, 502, 503, 504, 599, 100, 600, 999),
            },
        ),
        (
            Channel.EMAIL,
            {
                Outcome.DELIVERED: (250, 251),
                Outcome.REFUSED: (500, 521, 531, 537, 550, 552, 554),
                Outcome.UNAVAILABLE: (421, 450, 451, 452, 530, 534, 535, 538, 354, 199, 600),
            },
        ),
    ],
)
def test_a_status_says_whether_asking_again_can_help(
    channel: Channel, outcomes: dict[Outcome, tuple[int, ...]]
) -> None:
    judged = {outcome: tuple(judge_status(channel, s) for s in codes) for outcome, codes in outcomes.items()}
    assert judged == {outcome: (outcome,) * len(codes) for outcome, codes in outcomes.items()}


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (550, "5.1.1 <x>: no such user", "5.1.1"),
        (450, "4.7.1\nwait", "4.7.1"),
        (250, "2.0.0", "2.0.0"),
        (554, "5.7.509 too long", "5.7.509"),
        (550, "4.1.1 of another class", None),
        (550, "5.1.1.1 is no code", None),
        (550, "5.1.1000", None),
        (550, "see 5.1.1", None),
        (550, "5.1.\u0661", None),
        (354, "3.0.0 go on", None),
        (550, "", None),
    ],
)
def test_an_enhanced_code_is_kept_where_it_agrees_with_its_status(
    status: int, text: str, code: str | None
) -> None:
    assert find_enhanced_code(status, text) == code


@pytest.mark.parametrize("trouble", Trouble)
def test_only_what_the_directory_says_wrong_is_refused_without_a_status(trouble: Trouble) -> None:
    attempt = judge_trouble(trouble, "word")
    is_refused = trouble in {Trouble.FORBIDDEN, Trouble.UNUSABLE}
    assert attempt.outcome is (Outcome.REFUSED if is_refused else Outcome.UNAVAILABLE)
    assert (attempt.detail, attempt.status_code, attempt.trouble) == ("word", None, trouble)


@given(schedule=schedules, number=st.integers(1, 500), chance=chances, retry_after=st.none() | waits)
def test_a_delivered_alert_is_done_and_a_refused_one_a_dead_letter(
    schedule: Schedule, number: int, chance: float, retry_after: timedelta | None
) -> None:
    done = Attempt(Outcome.DELIVERED, retry_after=retry_after)
    refused = Attempt(Outcome.REFUSED, retry_after=retry_after)
    assert next_step(done, number=number, schedule=schedule, now=NOW, chance=chance) == Delivered()
    assert next_step(refused, number=number, schedule=schedule, now=NOW, chance=chance) == GiveUp(
        DeliveryState.REFUSED
    )


@given(number=st.integers(1, 9), schedule=schedules, chance=chances, retry_after=st.none() | waits)
def test_a_retry_is_never_early_and_never_later_than_the_attempt_after_next(
    number: int, schedule: Schedule, chance: float, retry_after: timedelta | None
) -> None:
    delay = schedule.find_delay(number)
    assert delay is not None
    following = schedule.find_delay(number + 1) or delay * schedule.jitter
    step = next_step(unavailable(retry_after), number=number, schedule=schedule, now=NOW, chance=chance)
    assert isinstance(step, RetryAt)
    assert NOW + delay <= step.at <= NOW + delay + following


@given(number=st.integers(1, 9), schedule=schedules, chance=chances, retry_after=waits)
def test_retry_after_makes_a_retry_later_but_not_sooner(
    number: int, schedule: Schedule, chance: float, retry_after: timedelta
) -> None:
    asked = next_step(unavailable(retry_after), number=number, schedule=schedule, now=NOW, chance=chance)
    not_asked = next_step(unavailable(), number=number, schedule=schedule, now=NOW, chance=chance)
    assert isinstance(asked, RetryAt)
    assert isinstance(not_asked, RetryAt)
    assert asked.at >= not_asked.at


def test_a_retry_after_within_the_schedule_is_honoured_to_the_second() -> None:
    step = next_step(
        unavailable(timedelta(seconds=9)),
        number=1,
        schedule=SCHEDULES[Urgency.IMMEDIATE],
        now=NOW,
        chance=0.5,
    )
    assert step == RetryAt(NOW + timedelta(seconds=9))


def test_chance_spreads_what_failed_together() -> None:
    steps = {
        next_step(unavailable(), number=3, schedule=SCHEDULES[Urgency.IMMEDIATE], now=NOW, chance=chance / 10)
        for chance in range(10)
    }
    assert len(steps) == 10


def agency() -> AgencyRecord:
    return AgencyRecord(
        id="ag-kern-cw",
        name="Child welfare",
        roles=[Role.CHILD_WELFARE],
        counties="*",
        contacts=[
            Contact(rung=Rung.PRIMARY, email="duty@cw.example"),
            Contact(rung=Rung.BACKUP, email="watch@cw.example"),
        ],
        endpoints=[
            EndpointRecord(
                endpoint_id=f"ep_{name}",
                url=f"https://{name}.example/",
                content=EndpointContent.POINTER,
                secret_sealed=b"",
            )
            for name in ("one", "two")
        ],
    )


def test_an_alert_goes_to_every_endpoint_and_to_the_contact_of_its_rung() -> None:
    assert plan_paths(agency(), contact=Rung.BACKUP, channels=EVERY_CHANNEL) == [
        Path(Channel.WEBHOOK, "ep_one"),
        Path(Channel.WEBHOOK, "ep_two"),
        Path(Channel.EMAIL, "backup"),
    ]


def test_without_a_mail_server_no_mail_is_planned() -> None:
    paths = plan_paths(agency(), contact=Rung.PRIMARY, channels=frozenset({Channel.WEBHOOK}))
    assert {path.channel for path in paths} == {Channel.WEBHOOK}


def test_there_is_no_way_to_an_agency_that_nobody_knows() -> None:
    assert plan_paths(None, contact=Rung.PRIMARY, channels=EVERY_CHANNEL) == []


def test_an_exercise_goes_only_where_exercises_are_accepted() -> None:
    plain, yes = agency(), {"exercises": True}
    accepting = plain.model_copy(
        update={
            "endpoints": [plain.endpoints[0], plain.endpoints[1].model_copy(update=yes)],
            "contacts": [person.model_copy(update=yes) for person in plain.contacts],
        }
    )
    assert plan_paths(accepting, contact=Rung.PRIMARY, channels=EVERY_CHANNEL, exercise=True) == [
        Path(Channel.WEBHOOK, "ep_two"),
        Path(Channel.EMAIL, "primary"),
    ]
    assert plan_paths(agency(), contact=Rung.PRIMARY, channels=EVERY_CHANNEL, exercise=True) == []


def test_an_exercise_never_goes_to_an_external_body() -> None:
    plain = agency()
    endpoints = [endpoint.model_copy(update={"exercises": True}) for endpoint in plain.endpoints]
    external = plain.model_copy(update={"external": True, "endpoints": endpoints})
    assert plan_paths(external, contact=Rung.PRIMARY, channels=EVERY_CHANNEL, exercise=True) == []


def test_webhooks_wait_for_their_endpoint_and_mails_for_the_mail_server() -> None:
    assert Path(Channel.WEBHOOK, "ep_one").lane == "ep_one"
    assert Path(Channel.EMAIL, "primary").lane == Path(Channel.EMAIL, "backup").lane == "email"


@pytest.mark.parametrize(
    ("channel", "attempt", "misses"),
    [
        (Channel.WEBHOOK, Attempt(Outcome.REFUSED, status_code=302), True),
        (Channel.WEBHOOK, Attempt(Outcome.REFUSED, status_code=422), True),
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, status_code=429), True),
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, status_code=500), False),
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, status_code=503), False),
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, status_code=999), False),
        (Channel.EMAIL, Attempt(Outcome.UNAVAILABLE, status_code=451), True),
        (Channel.EMAIL, Attempt(Outcome.REFUSED, status_code=550), True),
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, detail="suspended", is_asked=False), True),
        # A fault of ours: whether it came before or after the request, nobody knows.
        (Channel.WEBHOOK, Attempt(Outcome.UNAVAILABLE, detail="KeyError"), False),
    ],
)
def test_a_receiver_says_itself_that_it_has_nothing_or_nobody_knows(
    channel: Channel, attempt: Attempt, *, misses: bool
) -> None:
    assert has_missed(channel, attempt) is misses


@pytest.mark.parametrize("trouble", Trouble)
def test_what_was_never_sent_has_missed(trouble: Trouble) -> None:
    for channel in Channel:
        missed = has_missed(channel, judge_trouble(trouble, "word"))
        assert missed is (trouble not in {Trouble.UNANSWERED, Trouble.GARBLED})
