"""The repository of manifests: release files, commits, requests, and what they have been."""
