"""Takes case events from member systems: authenticated, checked, sealed, and on Kafka before the answer."""
