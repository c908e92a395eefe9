"""The wheel: what the code reads at run time is in it."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[3]
CONSOLE = "onboarding/services/console"


BOARDS = "hw/boards"


def test_what_is_no_code_but_read_by_it_is_in_the_wheel(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with zipfile.ZipFile(built) as wheel:
        packed = set(wheel.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for folder in (f"{CONSOLE}/templates", f"{CONSOLE}/static", BOARDS)
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert {f"{CONSOLE}/templates/page.html", f"{BOARDS}/schema.json"} <= wanted
    assert wanted <= packed
