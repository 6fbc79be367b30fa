"""`tocsin topics apply`: the topics of a real Kafka cluster."""

import asyncio
import sys
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback()
def topics() -> None:
    """The four topics on which the services meet."""


@app.command()
def apply(
    bootstrap: Annotated[
        str, typer.Option("--kafka", envvar="TOCSIN_KAFKA", show_envvar=True, metavar="HOST:PORT[,…]")
    ],
    replication: Annotated[
        int, typer.Option(min=-1, help="Copies of each partition; -1 is what the cluster is configured for.")
    ] = -1,
) -> None:
    """Create the topics that are missing, with their partitions and settings; change and delete nothing.

    Partition counts are fixed at creation: a topic that is there with another count is an error.
    """
    from schemas.topics import TOPICS
    from services.runtime.kafka import TopicMismatchError, TopicSpec, ensure_topics

    specs = [
        TopicSpec(
            name=topic.name, partitions=topic.partitions, replication_factor=replication, configs=topic.config
        )
        for topic in TOPICS
    ]
    try:
        asyncio.run(ensure_topics(bootstrap, specs))
    except TopicMismatchError as error:
        print(f"tocsin topics apply: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print("\n".join(f"{spec.name}: {spec.partitions} partition(s)" for spec in specs))
