"""`python -m services.devstack.apache`: has Kafka's jars at hand, or says why they cannot be had."""

import sys

from services.devstack.apache.jars import find_kafka
from services.devstack.errors import StackError
from services.devstack.logbook import configure_logs


def main() -> int:
    configure_logs(service="kafka")
    try:
        programs = find_kafka()
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"Apache Kafka is in {programs.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
