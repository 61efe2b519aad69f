"""From raw data to a validated, evaluated model: one module a DVC stage."""
