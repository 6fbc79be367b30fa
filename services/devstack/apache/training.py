"""One short life of a broker from which Java keeps what it loaded: later starts take half the time."""

import subprocess
import tempfile
from pathlib import Path

from services.devstack.apache.configuration import ListenerSecurity, Node, render_properties
from services.devstack.apache.java import BROKER_CLASS, STORAGE_CLASS, KafkaPrograms, java_environment
from services.devstack.ports import find_port, is_free
from services.runtime.clock import random_fraction
from services.runtime.logs import get_logger

log = get_logger()

_CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
_SECONDS = 60.0
_POLL_SECONDS = 0.1


def archive_classes(programs: KafkaPrograms) -> None:
    """Makes the archive. Without one everything works, only later: a failure is logged and no more."""
    with tempfile.TemporaryDirectory(prefix="tocsin-kafka-") as home:
        try:
            _train(programs, Path(home))
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("kafka.not_archived", error_type=type(error).__name__)


def _train(programs: KafkaPrograms, home: Path) -> None:
    port = find_port(preferred=None, taken=set(), chance=random_fraction)
    controller_port = find_port(preferred=None, taken={port}, chance=random_fraction)
    node = Node(number=1, port=port, controller_port=controller_port, home=home)
    node.properties_file.write_text(render_properties(node, [node], ListenerSecurity()))
    properties, quiet = str(node.properties_file), subprocess.DEVNULL
    subprocess.run(
        programs.command(STORAGE_CLASS, "format", "--cluster-id", _CLUSTER_ID, "--config", properties),
        env=java_environment(),
        stdout=quiet,
        stderr=quiet,
        check=True,
        timeout=_SECONDS,
    )
    flags = (f"-XX:ArchiveClassesAtExit={programs.archive}",)
    with subprocess.Popen(
        programs.command(BROKER_CLASS, properties, flags=flags),
        env=java_environment(),
        stdout=quiet,
        stderr=quiet,
    ) as broker:
        try:
            _wait_until_taken(port, broker)
            broker.terminate()
            broker.wait(_SECONDS)
        finally:
            broker.kill()


def _wait_until_taken(port: int, broker: "subprocess.Popen[bytes]") -> None:
    """Until the broker listens, or has ended."""
    for _ in range(int(_SECONDS / _POLL_SECONDS)):
        if not is_free(port):
            return
        try:
            broker.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        raise OSError("ended before it listened")
