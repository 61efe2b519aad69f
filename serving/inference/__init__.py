"""The model: verified, probed, run; its cache."""
