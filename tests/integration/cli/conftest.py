"""The command against real servers."""

from tests.support.servers import broker, database, postgres_server, server_loop

__all__ = ["broker", "database", "postgres_server", "server_loop"]
