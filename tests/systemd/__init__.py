"""The units of docs/examples/systemd, run by a real systemd of its own."""
