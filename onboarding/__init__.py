"""From factory to attested workload: protocol, stores, services, device, CLI."""
