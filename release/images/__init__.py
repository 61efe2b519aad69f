"""Image registries: whether an image is there, and who asks."""
