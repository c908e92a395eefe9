"""What people do to a device from its page: the actions of the API, by forms."""

from collections.abc import Callable
from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from onboarding.services.api import device_actions, device_settings, to0
from onboarding.services.api.auth import Ctx
from onboarding.services.api.conditions import ALWAYS
from onboarding.services.api.fields import GuidPath
from onboarding.services.console.guard import Current, Form, FormFields, takes_form
from onboarding.services.console.pages import pages_router, see_other
from onboarding.services.context import Context
from onboarding.store.apikeys import ApiKey, Role

router = pages_router()

BOTH = (Role.OPERATOR, Role.SECURITY)
Action = Callable[[str, Form, Context, ApiKey], object]


def _freeze(guid: str, form: Form, context: Context, key: ApiKey) -> object:
    frozen = form.get("frozen") == "yes"
    body = device_actions.FreezeIn(frozen=frozen, reason=form.get("reason", ""))
    return device_actions.put_freeze(guid, body, context, key)


def _withdraw(guid: str, form: Form, context: Context, key: ApiKey) -> object:
    body = device_actions.ReasonIn(reason=form.get("reason", ""))
    return device_actions.withdraw(guid, body, context, key)


def _retire(guid: str, form: Form, context: Context, key: ApiKey) -> object:
    body = device_actions.ReasonIn(reason=form.get("reason", ""))
    return device_actions.retire(guid, body, context, key)


def _register(guid: str, _form: Form, context: Context, _key: ApiKey) -> object:
    return to0.register_now(guid, context)


def _policy(guid: str, form: Form, context: Context, key: ApiKey) -> object:
    body = device_settings.PolicyChoice(policy=form.get("policy", ""))
    return device_settings.put_policy(guid, body, context, key, ALWAYS)


def _manifest(guid: str, form: Form, context: Context, key: ApiKey) -> object:
    name, _, version = form.get("manifest", "").partition("@")
    number = int(version) if version.isascii() and version.isdecimal() else None
    chosen: dict[str, Any] = {"manifest": name or None, "version": number}
    body = device_settings.AssignmentIn.model_validate(chosen)
    return device_settings.put_assignment(guid, body, context, key, ALWAYS)


def _add(name: str, action: Action, *roles: Role) -> None:
    @router.post(f"/devices/{{guid}}/{name}", **takes_form(*roles))
    def act(
        guid: GuidPath, context: Ctx, session: Current, form: FormFields
    ) -> Response:
        try:
            action(guid, form, context, session.key)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error
        return see_other(f"/devices/{guid}")


_add("freeze", _freeze, *BOTH)
_add("withdraw", _withdraw, *BOTH)
_add("policy", _policy, *BOTH)
_add("retire", _retire, Role.OPERATOR)
_add("register", _register, Role.OPERATOR)
_add("manifest", _manifest, Role.OPERATOR)
