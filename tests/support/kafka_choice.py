"""Which Kafka the tests run on: the embedded broker, or with TOCSIN_TEST_KAFKA=apache the real one.

`docker` takes the official images of Kafka and PostgreSQL for the integration tests; stacks that a user would
start run the real one without Docker all the same.
"""

import os

from services.devstack.options import BrokerKind

VARIABLE = "TOCSIN_TEST_KAFKA"
_GIVEN = os.environ.get(VARIABLE, BrokerKind.EMBEDDED)

IN_DOCKER = _GIVEN == "docker"
CHOSEN = BrokerKind.APACHE if IN_DOCKER else BrokerKind(_GIVEN)
ON_APACHE = CHOSEN is BrokerKind.APACHE

DURABILITY = "disk" if ON_APACHE else "memory"
"""What one broker of this kind is worth."""
