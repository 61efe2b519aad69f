"""Writes the reference pages from the code: commands, API, parameters, variables, metrics, alerts, the release file.

Owns docs/reference/{cli,http,params,environment,metrics,alert-rules,release-file}.md. What exists is found in the code;
what only words can say is in meanings.yaml. Refuses what has no word there, and a word for what is gone.
"""
