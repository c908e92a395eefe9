"""The console: what people see of an owner's service, served as whole pages.

It holds no logic of its own: pages show what the routes of the management API
return, called as functions, under the same roles. Everything works without
JavaScript; with it, pages stay up to date and imports show how far they are.
"""
