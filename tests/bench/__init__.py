"""The benchmark: what one device costs each service, measured from outside."""
