"""The wheel: what the code reads at run time is in it."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[3]
CONSOLE = "onboarding/services/console"


def test_templates_and_assets_of_the_console_are_in_the_wheel(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with zipfile.ZipFile(built) as wheel:
        packed = set(wheel.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for folder in ("templates", "static")
        for path in (ROOT / CONSOLE / folder).rglob("*")
        if path.is_file()
    }
    assert f"{CONSOLE}/templates/page.html" in wanted
    assert wanted <= packed
