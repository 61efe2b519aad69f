"""The process that takes MLflow's webhook and makes Git, MLflow and the cluster agree."""
