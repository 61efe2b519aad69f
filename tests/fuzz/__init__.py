"""Fuzz targets: each module has a `check` that takes any bytes and fails where a promise is broken."""
