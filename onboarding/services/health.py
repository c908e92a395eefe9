"""Whether a service lives, is ready, and what it is doing."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from onboarding.services.api.auth import Ctx
from onboarding.services.errors import Problem
from onboarding.store.errors import StoreError

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> JSONResponse:
    """The process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(context: Ctx) -> JSONResponse:
    """The database answers, and its schema is this version's."""
    try:
        current = context.database.is_current()
    except StoreError as error:
        raise Problem(503, "store-unavailable", str(error)) from error
    if not current:
        raise Problem(503, "schema-old", "The database is of another version.")
    return JSONResponse({"status": "ready", "role": context.settings.role.value})


@router.get("/metrics")
def metrics(context: Ctx) -> Response:
    """Counts in Prometheus' text format."""
    now = context.now()
    lines = [
        "# TYPE vouchgate_runs gauge",
        f"vouchgate_runs {context.stores.runs.live(now)}",
        "# TYPE vouchgate_registrations gauge",
        f"vouchgate_registrations {context.stores.registrations.count(now)}",
        "# TYPE vouchgate_devices gauge",
        *(
            f'vouchgate_devices{{state="{state.value}"}} {count}'
            for state, count in context.stores.devices.counts(now).items()
        ),
    ]
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
