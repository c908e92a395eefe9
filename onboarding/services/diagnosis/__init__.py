"""Why a device is not onboarding: what a service knows of it, and what to do next."""
