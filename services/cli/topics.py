"""`tocsin topics plan` and `apply`: the topics of a real Kafka cluster, as configuration in code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

if TYPE_CHECKING:
    from services.runtime.kafka import KafkaAddress, TopicSpec, TopicStep

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

_FAILED = 1
_USAGE_ERROR = 2

Bootstrap = Annotated[
    str, typer.Option("--kafka", envvar="TOCSIN_KAFKA", show_envvar=True, metavar="HOST:PORT[,…]")
]
Replication = Annotated[
    int,
    typer.Option(
        min=-1,
        help="Copies of each partition; -1 is what the cluster is configured for. With three, two must have "
        "a record before it is acknowledged.",
    ),
]
Wait = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="How long to wait for a broker to answer, and to do it."),
]
_PATIENCE = 60.0
# Read by KafkaSecuritySettings, like those of the services.
_EPILOG = (
    "A cluster that demands TLS or a password is told with the variables of the services: "
    "TOCSIN_KAFKA_SECURITY, TOCSIN_KAFKA_SASL_USERNAME, TOCSIN_KAFKA_SASL_PASSWORD_FILE, "
    "TOCSIN_KAFKA_CA_FILE."
)


@app.callback()
def topics() -> None:
    """The four topics on which the services meet."""


@app.command(epilog=_EPILOG)
def plan(bootstrap: Bootstrap, replication: Replication = 3, wait: Wait = _PATIENCE) -> None:
    """Say what `apply` would do, and change nothing. Exit code 1 if it would refuse."""
    from services.runtime.kafka import Refuse, plan_cluster

    steps = _run(plan_cluster, bootstrap, replication, wait=wait)
    _show(steps)
    if any(isinstance(step, Refuse) for step in steps):
        raise typer.Exit(_FAILED)


@app.command(epilog=_EPILOG)
def apply(bootstrap: Bootstrap, replication: Replication = 3, wait: Wait = _PATIENCE) -> None:
    """Create the topics that are missing and bring the settings of the others to what they must be.

    A topic that is there with another number of partitions or copies is refused, and then nothing is changed.
    """
    from services.runtime.kafka import TopicsRefusedError, apply_topics

    try:
        _show(_run(apply_topics, bootstrap, replication, wait=wait))
    except TopicsRefusedError as error:
        print(f"tocsin topics apply: nothing was changed.\n{error}", file=sys.stderr)
        raise typer.Exit(_FAILED) from None


def _run(
    work: "Callable[[KafkaAddress, Sequence[TopicSpec]], Coroutine[Any, Any, list[TopicStep]]]",
    bootstrap: str,
    replication: int,
    *,
    wait: float,
) -> "list[TopicStep]":
    from schemas.topics import TOPICS
    from services.devstack.logbook import configure_logs
    from services.runtime.kafka import KAFKA_ERRORS, KafkaAccess, build_specs
    from services.runtime.kafka_access import KafkaSecuritySettings

    try:
        configure_logs(service="topics")
        access = KafkaAccess(bootstrap=bootstrap, security=KafkaSecuritySettings().security)
        specs = build_specs(TOPICS, copies=replication)
        return asyncio.run(asyncio.wait_for(work(access, specs), wait))
    except ValueError as error:
        # A wrong variable: the message names it, and never what was in it.
        print(f"tocsin topics: {error}", file=sys.stderr)
        raise typer.Exit(_USAGE_ERROR) from None
    except TimeoutError:
        print(f"tocsin topics: no broker at {bootstrap} did it within {wait:g} s", file=sys.stderr)
        raise typer.Exit(_USAGE_ERROR) from None
    except KAFKA_ERRORS as error:
        print(f"tocsin topics: the cluster did not do it ({type(error).__name__})", file=sys.stderr)
        raise typer.Exit(_FAILED) from None


def _show(steps: "Sequence[TopicStep]") -> None:
    for step in steps:
        print(f"{step.spec.name}: {_describe(step)}")


def _describe(step: "TopicStep") -> str:
    from services.runtime.kafka import Alter, Create, Keep, Refuse

    match step:
        case Create(spec):
            return f"create with {spec.partitions} partition(s)"
        case Alter(_, changes):
            changed = (f"{name} from {before} to {after}" for name, (before, after) in changes.items())
            return f"alter {', '.join(changed)}"
        case Keep():
            return "as it must be"
        case Refuse(_, reason):
            return f"REFUSED: {reason}"
        case _:
            assert_never(step)
