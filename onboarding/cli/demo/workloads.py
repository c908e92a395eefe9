"""What the owner wants to run: a podman Quadlet unit and a Kubernetes Pod."""

from onboarding.device.applier import WorkloadFile

MANIFEST = "edge-gateway"

QUADLET = WorkloadFile(
    "edge-gateway.container",
    b"""\
[Unit]
Description=Edge gateway
After=network-online.target

[Container]
Image=registry.example/edge/gateway:1.0
PublishPort=127.0.0.1:8443:8443
ReadOnly=true
NoNewPrivileges=true

[Service]
Restart=always

[Install]
WantedBy=multi-user.target
""",
)

POD = WorkloadFile(
    "edge-metrics.yaml",
    b"""\
apiVersion: v1
kind: Pod
metadata:
  name: edge-metrics
spec:
  containers:
    - name: exporter
      image: registry.example/edge/exporter:1.0
      securityContext:
        readOnlyRootFilesystem: true
        allowPrivilegeEscalation: false
""",
)
