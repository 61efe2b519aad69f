"""Registers what training made, judges it, and carries it through Git."""
