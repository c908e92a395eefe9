"""What this process takes of its machine, by Prometheus' own names.

Source: Prometheus, "Writing client libraries", "Process metrics".
"""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_PROCESS = CollectorRegistry()
ProcessCollector(registry=_PROCESS)
GCCollector(registry=_PROCESS)


def process_text() -> str:
    """CPU time, memory, open files, start and garbage collections, as text."""
    return generate_latest(_PROCESS).decode()
