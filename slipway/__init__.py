"""Slipway takes a scikit-learn model from data to production through Git."""
