"""The release path: from a registered version to what runs, through Git."""
