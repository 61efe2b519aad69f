"""Who asks, and how much: tokens, keys, limits."""
