"""How MLflow is reached: its REST interface, its database, or all of its client where neither is enough."""
