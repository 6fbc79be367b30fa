"""The command against real servers."""

from tests.support.servers import apache, broker, database, postgres_server, server_loop

__all__ = ["apache", "broker", "database", "postgres_server", "server_loop"]
