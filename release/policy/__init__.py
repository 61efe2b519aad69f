"""What the manifests of a model may say, and what they are refused for."""
