"""How a program of Kafka's is run: the Java, the class path, and flags for a small and quick machine."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.devstack.errors import UnsupportedPlatformError

OLDEST_JAVA = 17
BROKER_CLASS = "kafka.Kafka"
STORAGE_CLASS = "kafka.tools.StorageTool"

# Quick to start and small rather than fast for days: several run on a machine that does other things too.
_FLAGS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
_LOGGING = Path(__file__).with_name("log4j2.properties")
_VERSION = re.compile(r'version "(\d+)')


@dataclass(frozen=True, slots=True)
class KafkaPrograms:
    """Kafka's jars and the Java that runs them."""

    java: Path
    folder: Path
    """Holds the jars, and an archive of their classes as Java has them in memory, if one could be made."""

    @property
    def archive(self) -> Path:
        return self.folder / "classes.jsa"

    def command(self, main: str, *words: str, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Runs a class of Kafka's; the archive of classes halves the time it takes to start."""
        shared = (f"-XX:SharedArchiveFile={self.archive}",) if self.archive.exists() else ()
        return (
            str(self.java),
            *_FLAGS,
            *(flags or shared),
            f"-Dlog4j2.configurationFile={_LOGGING}",
            *("-cp", os.pathsep.join(str(jar) for jar in sorted(self.folder.glob("*.jar")))),
            main,
            *words,
        )


def java_environment() -> dict[str, str]:
    """Without what would change how Java runs."""
    ours = {"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "KAFKA_OPTS"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def find_java() -> Path:
    """That of JAVA_HOME, else that of PATH. Raises UnsupportedPlatformError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise UnsupportedPlatformError(_explain("there is no java on this machine"))
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    version = _VERSION.search(shown.stderr + shown.stdout)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise UnsupportedPlatformError(_explain(f"{found} is not Java {OLDEST_JAVA} or newer"))
    return Path(found)


def _explain(trouble: str) -> str:
    return (
        f"Apache Kafka needs Java {OLDEST_JAVA} or newer: {trouble}.\n"
        "Ways out: install a JRE or set JAVA_HOME; run a Kafka of your own (TOCSIN_KAFKA); "
        "or use --kafka embedded."
    )
