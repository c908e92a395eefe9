"""The demonstration: real services, real Keylime, software TPMs, all on loopback.

One module per act. Nothing is asserted here that a service did not answer: a refusal
counts only when the service that should refuse said so, in its own words.
"""
