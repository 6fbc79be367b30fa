"""All SQL of routing. Every method raises one of database.TRANSIENT_ERRORS when PostgreSQL is away."""
