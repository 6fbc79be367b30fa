"""What Apache Kafka is told, and what is done about jars that are not the pinned ones."""

import hashlib
from pathlib import Path

import pytest

from services.devstack.apache.broker import node_names, render_cluster_id
from services.devstack.apache.configuration import (
    ListenerSecurity,
    Node,
    copies_of,
    in_sync_minimum,
    render_properties,
)
from services.devstack.apache.jars import HASHES, POM, find_kafka, list_wrong
from services.devstack.apache.java import find_java
from services.devstack.errors import NotAvailableError, UnsupportedPlatformError


def build_nodes(count: int) -> list[Node]:
    return [
        Node(number=n, port=9000 + n, controller_port=9100 + n, home=Path(f"/kafka/node-{n}"))
        for n in range(1, count + 1)
    ]


def read(properties: str) -> dict[str, str]:
    lines = (line.partition("=") for line in properties.splitlines())
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize(("count", "copies", "in_sync"), [(1, "1", "1"), (3, "3", "2")])
def test_three_brokers_keep_three_copies_and_acknowledge_with_two(
    count: int, copies: str, in_sync: str
) -> None:
    nodes = build_nodes(count)
    for node in nodes:
        settings = read(render_properties(node, nodes, ListenerSecurity()))
        assert (settings["default.replication.factor"], settings["min.insync.replicas"]) == (copies, in_sync)
        assert settings["offsets.topic.replication.factor"] == copies
        assert settings["unclean.leader.election.enable"] == "false"
        assert settings["auto.create.topics.enable"] == "false"


def test_every_node_knows_all_controllers_and_listens_on_its_own_port() -> None:
    nodes = build_nodes(3)
    second = read(render_properties(nodes[1], nodes, ListenerSecurity()))
    assert second["node.id"] == "2"
    assert second["controller.quorum.voters"] == "1@127.0.0.1:9101,2@127.0.0.1:9102,3@127.0.0.1:9103"
    assert second["listeners"].startswith("CLIENT://127.0.0.1:9002,")
    assert second["log.dirs"] == "/kafka/node-2/log"


def test_clients_meet_the_security_that_was_asked_for_and_brokers_each_other_without() -> None:
    (node,) = nodes = build_nodes(1)
    security = ListenerSecurity(protocol="SASL_SSL", properties={"ssl.keystore.type": "PEM"})
    settings = read(render_properties(node, nodes, security))
    assert settings["listener.security.protocol.map"].split(",")[0] == "CLIENT:SASL_SSL"
    assert settings["inter.broker.listener.name"] == "INTERNAL"
    assert settings["ssl.keystore.type"] == "PEM"


def test_passwords_are_in_no_file_of_properties_and_in_no_repr() -> None:
    (node,) = nodes = build_nodes(1)
    security = ListenerSecurity(protocol="SASL_SSL", scram={"intake": "zanthorpe"})
    assert "zanthorpe" not in render_properties(node, nodes, security) + repr(security)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_no_setting_asks_for_more_copies_than_there_are(copies: int) -> None:
    assert copies_of(copies) == copies
    assert 1 <= in_sync_minimum(copies) <= copies


def test_the_first_process_is_kafka_whatever_the_number() -> None:
    assert node_names(1) == ["kafka"]
    assert node_names(3) == ["kafka", "kafka-2", "kafka-3"]


def test_a_cluster_id_is_what_kafka_takes_for_one() -> None:
    assert render_cluster_id(bytes(range(16))) == "AAECAwQFBgcICQoLDA0ODw"


def test_every_jar_has_a_hash_and_the_pom_names_one_version() -> None:
    names = [line.split()[1] for line in HASHES.read_text().splitlines()]
    assert len(names) == len(set(names)) > 40
    (broker,) = (name for name in names if name.startswith("kafka_2.13-"))
    version = broker.removeprefix("kafka_2.13-").removesuffix(".jar")
    assert f"<version>{version}</version>" in POM.read_text()
    assert "://" not in POM.read_text()


def test_a_jar_that_is_not_the_pinned_one_is_named(tmp_path: Path) -> None:
    for name in ("good", "changed", "unexpected"):
        (tmp_path / f"{name}.jar").write_text(name)
    pinned = {
        "good.jar": hashlib.sha256(b"good").hexdigest(),
        "changed.jar": hashlib.sha256(b"other").hexdigest(),
        "missing.jar": hashlib.sha256(b"missing").hexdigest(),
    }
    hashes = "".join(f"{digest}  {name}\n" for name, digest in pinned.items())
    assert list_wrong(tmp_path, hashes) == ["changed.jar", "missing.jar", "unexpected.jar"]


def write_program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing in it, and no cache."""
    for name in ("JAVA_HOME", "TOCSIN_KAFKA_JARS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "bin"


def test_without_java_it_is_said_so_with_ways_out(bare_machine: Path) -> None:
    with pytest.raises(UnsupportedPlatformError, match=r"there is no java(.|\n)*Ways out"):
        find_java()


def test_an_old_java_is_named(bare_machine: Path) -> None:
    write_program(bare_machine, "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(UnsupportedPlatformError, match="is not Java 17"):
        find_java()


def test_without_maven_the_jars_cannot_be_had_and_it_is_said_so(bare_machine: Path) -> None:
    write_program(bare_machine, "java", "echo 'openjdk version \"17.0.1\" 2021-10-19' >&2")
    with pytest.raises(NotAvailableError, match="no Maven"):
        find_kafka()


def test_what_maven_said_is_passed_on_and_nothing_is_left_for_a_set_of_jars(bare_machine: Path) -> None:
    write_program(bare_machine, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    write_program(bare_machine, "mvn", "echo '[ERROR] no route to the repository'; exit 1")
    with pytest.raises(NotAvailableError, match="no route to the repository"):
        find_kafka()
    assert not [path for path in (bare_machine.parent / "cache" / "tocsin").iterdir() if path.is_dir()]
