"""`tocsin up`, `migrate` and `topics` from outside: words, exit codes, what they do to real servers."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import TOPICS
from services.cli.main import COMMANDS
from services.devstack.topics import make_topics
from tests.support.databases import execute
from tests.support.ports import free_port
from tests.support.servers import Broker, PostgresServer
from tests.support.stack import COMMAND, ROOT

# Modules that take long to import and that no help text needs.
HEAVY = ("aiokafka", "faststream", "fastapi", "asyncpg", "aiohttp", "cel_expr_python", "cryptography")


def run(*words: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        env={**clean, "COLUMNS": "100", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command_with_what_it_is_for() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert (command.summary in done.stdout) is not command.hidden, command.name


def test_help_loads_no_service_and_no_driver() -> None:
    code = (
        "import sys; from services.cli.main import build_app\n"
        "build_app()(args=['--help'], prog_name='tocsin', standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([COMMAND[0], "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_help_of_up_teaches_by_example() -> None:
    done = run("up", "--help")
    assert done.returncode == 0
    assert "tocsin up --embedded" in done.stdout
    assert "Usage: tocsin up" in done.stdout
    assert ".tocsin" in done.stdout


def test_a_misspelt_command_is_answered_with_the_right_one() -> None:
    done = run("dmeo")
    assert done.returncode == 2
    assert "demo" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up"], "say --embedded"),
        (["up", "--embedded", "--brokers", "3"], "--brokers is 1"),
        (["up", "--embedded", "--kafka", "apache", "--brokers", "2"], "--brokers is 1"),
        (["up", "--embedded", "--kafka", "nonsense"], "--kafka"),
        (["up", "--embedded", "--smtp", "nonsense"], "HOST:PORT"),
        (["up", "--embedded", "--nonsense"], "--nonsense"),
        (["migrate"], "TOCSIN_ADMIN_DATABASE_URL"),
        (["topics", "apply"], "--kafka"),
    ],
)
def test_wrong_words_end_with_2_and_say_what_is_wrong(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_directory_file_that_is_none_ends_with_2_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text("agencies: [{id: ag-one}]")
    done = run("up", "--embedded", "--data-dir", str(tmp_path / "data"), "--directory", str(file))
    assert done.returncode == 2
    assert "/agencies/0/name" in done.stderr
    assert "process.started" not in done.stderr


async def test_migrate_brings_an_empty_database_to_the_newest_version(
    postgres_server: PostgresServer,
) -> None:
    maintenance = postgres_server.url("tocsin_admin", "postgres")
    await execute(maintenance, "create database empty")
    url = postgres_server.url("tocsin_admin", "empty")
    for _ in range(2):
        done = run("migrate", environment={"TOCSIN_ADMIN_DATABASE_URL": url})
        assert (done.returncode, done.stderr) == (0, "")
    connection = await asyncpg.connect(url)
    schemas = await connection.fetch("select nspname from pg_namespace")
    await connection.close()
    assert {"keyring", "intake", "routing", "notify"} <= {row["nspname"] for row in schemas}
    await execute(maintenance, "drop database empty with (force)")


def test_migrate_takes_the_url_from_a_file(postgres_server: PostgresServer, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{postgres_server.url('tocsin_admin', 'tocsin')}\n")
    done = run("migrate", environment={"TOCSIN_ADMIN_DATABASE_URL_FILE": str(file)})
    assert (done.returncode, done.stderr) == (0, "")
    missing = run("migrate", environment={"TOCSIN_ADMIN_DATABASE_URL_FILE": str(tmp_path / "nowhere")})
    assert missing.returncode == 2
    assert "TOCSIN_ADMIN_DATABASE_URL_FILE cannot be read" in missing.stderr


def test_migrate_never_shows_the_password(postgres_server: PostgresServer) -> None:
    url = f"postgresql://tocsin_admin:zanthorpe@127.0.0.1:{postgres_server.postgres.port}/nowhere"
    done = run("migrate", environment={"TOCSIN_ADMIN_DATABASE_URL": url})
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "zanthorpe" not in done.stderr + done.stdout


def test_topics_gives_up_on_a_cluster_that_does_not_answer() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    done = run("topics", "plan", "--kafka", nowhere, "--wait", "0.5")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no broker at {nowhere} did it within 0.5 s" in done.stderr


async def test_topics_apply_makes_what_is_missing(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.delete_topics([TOPICS[0].name])
    done = run("topics", "apply", "--kafka", broker.bootstrap, "--replication", "-1")
    assert (done.returncode, done.stdout.count("\n")) == (0, len(TOPICS))
    described = await admin.describe_topics([TOPICS[0].name])
    await admin.close()
    assert len(described[0]["partitions"]) == TOPICS[0].partitions


@pytest.mark.embedded_only(
    "only the embedded broker loses its log and becomes another cluster when it is restarted"
)
async def test_a_topic_of_the_wrong_shape_is_refused_on_a_cluster_and_made_again_on_our_own(
    broker: Broker,
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    directory = TOPICS[-1].name
    await admin.delete_topics([directory])
    # Whoever asks for a topic that is not there makes it, with four partitions.
    assert len((await admin.describe_topics([directory]))[0]["partitions"]) == 4
    done = run("topics", "apply", "--kafka", broker.bootstrap)
    assert done.returncode == 1
    assert directory in done.stderr
    await make_topics(broker.bootstrap, TOPICS)
    assert len((await admin.describe_topics([directory]))[0]["partitions"]) == TOPICS[-1].partitions
    await admin.close()
