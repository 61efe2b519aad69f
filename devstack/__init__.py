"""The complete stack on one machine, as processes: PostgreSQL, Redis, S3, MLflow, the API, Prometheus.

Owns the folder var/stack: credentials, data, logs and the supervisor's own
files. Refuses to listen anywhere but on the loopback address. Knows the rooms
by their commands alone.
"""
