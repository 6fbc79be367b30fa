"""A whole Tocsin on one machine: embedded PostgreSQL and Kafka, the services, and who keeps them alive."""
