"""Management paths of other servers, translated into what our own services do.

Nothing is decided here: a path is read the way its own server reads it, handed to the
service that stands behind our API, and answered in the other's words.
"""
