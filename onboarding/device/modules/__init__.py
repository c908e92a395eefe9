"""The device's side of ServiceInfo modules."""
