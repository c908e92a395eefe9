"""Every table of ours: models are known once their module is imported."""

from importlib import import_module
from pathlib import Path

import onboarding.store
from onboarding.store.tables import METADATA

__all__ = ["METADATA"]

for _path in Path(onboarding.store.__file__).parent.glob("*tables.py"):
    import_module(f"onboarding.store.{_path.stem}")
