"""Every page of the console."""

from fastapi import APIRouter

from onboarding.services.console import (
    assets,
    audit,
    device,
    device_forms,
    fleet,
    policies,
    security,
    voucher_upload,
    vouchers,
)
from onboarding.services.console.attempts import Attempts
from onboarding.services.console.login import login_router


def console_routers() -> tuple[APIRouter, ...]:
    """Return the routers of the console, with a count of logins of its own."""
    return (
        assets.router,
        login_router(Attempts()),
        fleet.router,
        device.router,
        device_forms.router,
        voucher_upload.router,
        voucher_upload.pages,
        vouchers.router,
        policies.router,
        security.router,
        audit.router,
    )
