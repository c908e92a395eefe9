"""Keylime, real and apart: its two programs run, asked, and reported to.

``stack`` runs registrar and verifier; ``client`` asks them, as administrator;
``push_agent`` is the device's side of the push protocol and ``proxy`` says which of its
calls may pass through us. Nothing here imitates Keylime's verdict or makes one up.
"""
