"""Scores a Parquet file of any size with one model version, in bounded memory.

Owns parts, resuming and the assembled result. Refuses a file whose columns are not the contract's,
and parts that another job began.
"""
