"""The example: the flights of 2013, fetched and prepared."""
