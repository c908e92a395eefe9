"""``make e2e-compose``: compose.yaml brought up for real, used, held to its word."""
