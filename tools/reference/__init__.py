"""Writes the reference pages from the code: commands, API, parameters, variables, metrics, alerts, the release file.

Owns docs/reference/{cli,http,params,environment,metrics,alerts,release-file}.md. What exists is found in the code;
what only words can explain is in meanings.yaml. Refuses what has no words there, and words for what is gone.
"""
