"""The command lines of the release path; with the promoter's process, the only readers of the environment."""
