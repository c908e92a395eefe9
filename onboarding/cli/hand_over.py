"""Handing many vouchers over, a page at a time, until there are no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onboarding.cli.api import Api

_PAGE = 200


@dataclass
class HandedOver:
    """What all pages together brought."""

    pem: str = field(default="", repr=False)
    extended: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)

    def add(self, page: Any) -> None:
        self.pem += page["pem"]
        self.extended += page["extended"]
        self.refused += [one for one in page["results"] if one["status"] == "refused"]

    def report(self) -> dict[str, object]:
        return {"extended": self.extended, "refused": self.refused}


@dataclass(frozen=True)
class HandOver:
    """What goes to whom: ``guids``, or what is unsold of ``line``, or of all."""

    buyer_pem: str
    guids: list[str]
    line: str | None

    def run(self, api: Api) -> HandedOver:
        """Ask until nothing is left. What was done before can be asked for again."""
        done = HandedOver()
        if self.guids:
            for start in range(0, len(self.guids), _PAGE):
                part = {"guids": self.guids[start : start + _PAGE]}
                done.add(self._ask(api, part))
            return done
        which = {"all": True} if self.line is None else {"line": self.line}
        cursor: str | None = None
        while True:
            page = self._ask(api, {**which, "cursor": cursor})
            done.add(page)
            cursor = page["next"]
            if cursor is None:
                return done

    def _ask(self, api: Api, which: Mapping[str, object]) -> Any:
        body = {"next_owner_pem": self.buyer_pem, **which}
        return api.json("POST", "vouchers/extend", body)
