"""Turns an exported version into an OCI image.

Runs on the machine that builds, never in the image. Owns what the image holds, in which order,
and its digest; refuses a base image that is not named by digest and a model whose bytes are not
the manifest's.
"""
