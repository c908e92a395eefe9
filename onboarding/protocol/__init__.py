"""The four FDO protocols as pure steps, both roles.

A server role is one function, ``step(state, msg, body, env) -> Step``; a
device or client role is a small machine, ``start() -> Send`` and then
``receive(type, body) -> Send | Finished``. Clock, randomness, keys and look-ups
come in through an Env; what must be stored goes out as Effects. Whatever a
peer sends ends in a reply or in an exception that `errors.error_code` knows.
"""
