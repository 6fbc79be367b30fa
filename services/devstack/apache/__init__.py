"""Apache Kafka without Docker: jars through Maven, brokers on loopback ports, the log kept on disk."""
