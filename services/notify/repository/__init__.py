"""All SQL of notify. Everything here raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""
