"""PostgreSQL's configuration files, beside what `initdb` found out about the machine. Pure."""

from dataclasses import dataclass

INCLUDE = "\ninclude 'tocsin.conf'\n"
"""The last line of `postgresql.conf`, so that ours win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """What differs from stack to stack."""

    port: int
    durable: bool = True
    """False gives up fsync, for tests: what is committed survives the server, but not the machine."""


def render_tocsin_conf(settings: PostgresSettings) -> str:
    """Modest sizes for a small machine; and a log that can hold no row's value."""
    on = "on" if settings.durable else "off"
    return f"""\
# Written by tocsin before every start; changes are lost.
listen_addresses = '127.0.0.1'
port = {settings.port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100

shared_buffers = '128MB'
huge_pages = off
jit = off
random_page_cost = 1.1
max_parallel_workers_per_gather = 0
max_logical_replication_workers = 0

fsync = {on}
synchronous_commit = on
full_page_writes = {on}
wal_level = 'minimal'
max_wal_senders = 0
max_wal_size = '2GB'
autovacuum_naptime = '5s'
checkpoint_timeout = '15min'

# Nothing below LOG: an error's text and its statement may quote what a row holds.
log_min_messages = 'log'
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_statement = 'none'
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_line_prefix = '%m [%p] '
logging_collector = off

timezone = 'UTC'
log_timezone = 'UTC'
"""


def render_pg_hba_conf() -> str:
    return (
        "# Written by tocsin before every start; changes are lost.\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
