"""The policy of promotion, one file a rule."""
