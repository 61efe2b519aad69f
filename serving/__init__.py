"""The registered model behind an API that production can trust."""
