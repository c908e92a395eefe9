"""The three services: manufacturing, rendezvous, owner.

They join the pure parts (protocol, attestation) to stores, keys and HTTP, and
decide nothing those parts could decide.
"""
