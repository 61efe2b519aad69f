"""Where a production release is asked for and approved."""
