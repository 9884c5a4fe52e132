"""Stores over MongoDB, the provider over HTTP, positions from Kafka."""
