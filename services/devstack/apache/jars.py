"""Kafka's jars: fetched once through Maven, checked against their hashes, kept in the user's cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.devstack.apache.java import KafkaPrograms, find_java
from services.devstack.apache.training import archive_classes
from services.devstack.errors import NotAvailableError
from services.runtime.logs import get_logger

POM = Path(__file__).with_name("pom.xml")
HASHES = Path(__file__).with_name("jars.sha256")
OVERRIDE = "TOCSIN_KAFKA_JARS"

_LAST_WORDS = 8

log = get_logger()


def find_kafka() -> KafkaPrograms:
    """Jars in TOCSIN_KAFKA_JARS, else those of the cache, which is filled if need be. Raises StackError."""
    java = find_java()
    override = os.environ.get(OVERRIDE)
    if override:
        if not list(Path(override).glob("kafka_*.jar")):
            raise NotAvailableError(
                f"{OVERRIDE}={override} has no kafka_*.jar (the libs of a Kafka download)."
            )
        return KafkaPrograms(java, Path(override))
    folder = find_cache() / f"kafka-{_fingerprint()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            _fetch(folder)
            archive_classes(KafkaPrograms(java, folder))
    return KafkaPrograms(java, folder)


def find_cache() -> Path:
    """`$XDG_CACHE_HOME/tocsin`, else `~/.cache/tocsin`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tocsin"


def list_wrong(folder: Path, hashes: str) -> list[str]:
    """Names of jars that are missing, unexpected or not what their hash says."""
    expected = {name: digest for digest, name in (line.split() for line in hashes.splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _fetch(folder: Path) -> None:
    """Into a folder beside, and one rename, so that half a set is never taken for one."""
    maven = shutil.which("mvn")
    if maven is None:
        raise NotAvailableError(_explain("there is no Maven (mvn) on this machine"))
    log.info("kafka.fetching", folder=str(folder))
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    words = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={unfinished}")
    done = subprocess.run(
        [maven, "--batch-mode", "--quiet", f"--file={POM}", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last_words = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[:_LAST_WORDS])
        raise NotAvailableError(_explain(f"Maven failed (exit code {done.returncode}):\n{last_words}"))
    wrong = list_wrong(unfinished, HASHES.read_text())
    if wrong:
        shutil.rmtree(unfinished)
        raise NotAvailableError(_explain(f"these jars are not the ones that are pinned: {', '.join(wrong)}"))
    unfinished.rename(folder)


def _explain(trouble: str) -> str:
    return (
        f"The jars of Apache Kafka cannot be had: {trouble}\n"
        f"Ways out: give Maven a way to its repository; set {OVERRIDE} to the libs folder of a Kafka "
        "download; or use --kafka embedded."
    )


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes() + HASHES.read_bytes()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two that start at once fetch once."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
