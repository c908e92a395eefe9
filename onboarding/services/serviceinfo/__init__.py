"""What TO2 does besides taking a device over: plans, their modules, their files."""
