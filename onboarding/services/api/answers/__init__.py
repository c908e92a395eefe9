"""What the routes of the management API answer: types that OpenAPI shows as schemas.

Each is what a route is annotated with, so mypy holds the code to it, the framework
each answer, and Schemathesis both.
"""
