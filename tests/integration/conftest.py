"""Servers for all folders: a conftest.py that imports these fixtures starts its own."""

from tests.support.servers import (
    apache,
    broker,
    database,
    databases,
    postgres_server,
    server_loop,
    shared_broker,
    shared_database,
)

__all__ = [
    "apache",
    "broker",
    "database",
    "databases",
    "postgres_server",
    "server_loop",
    "shared_broker",
    "shared_database",
]
