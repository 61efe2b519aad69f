"""The rules of promotion: a file each, with its question and its judgement; policy.py lists them."""
