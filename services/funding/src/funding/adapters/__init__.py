"""Stores over MongoDB and questions to Kafka."""
