"""``make e2e-kube``: the pods of docs/examples/kube, played by podman."""
