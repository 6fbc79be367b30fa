"""Which Kafka the tests run on: the embedded broker, or Apache's with TOCSIN_TEST_KAFKA=apache."""

import os

from services.devstack.options import BrokerKind

VARIABLE = "TOCSIN_TEST_KAFKA"
CHOSEN = BrokerKind(os.environ.get(VARIABLE, BrokerKind.EMBEDDED))
ON_APACHE = CHOSEN is BrokerKind.APACHE

DURABILITY = "disk" if ON_APACHE else "memory"
"""What one broker of this kind is worth."""
