"""``/device/v1``: what an owned device asks of its owner.

Each request is signed by the device key over a fresh challenge of ours that is
good for one request.
"""
