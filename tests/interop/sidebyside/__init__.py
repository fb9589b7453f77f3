"""Oncelog and Kafka side by side: see ../README.md."""
