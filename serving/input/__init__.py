"""A request's rows, read and measured by the model's contract."""
