"""Rows of the trust store of endorsement keys, as the API shows them."""

from onboarding.services.api.answers.kinds import Named
from onboarding.services.api.answers.trust import EkCrlOut, EkRootOut, EkVersionOut
from onboarding.services.api.conditions import record_tag
from onboarding.store.ek_trust_records import (
    EkCrlRecord,
    EkRootRecord,
    EkTrustVersion,
)


def named_view(pairs: tuple[tuple[str, str], ...]) -> list[Named]:
    return [{"digest": digest, "subject": words} for digest, words in pairs]


def root_view(one: EkRootRecord) -> EkRootOut:
    return {
        "digest": one.digest.hex(),
        "subject": one.subject,
        "added_at": one.added_at,
        "added_by": one.added_by,
        "bundle": one.bundle,
        "etag": record_tag(one),
    }


def crl_view(one: EkCrlRecord) -> EkCrlOut:
    return {
        "digest": one.digest.hex(),
        "issuer": one.issuer,
        "this_update": one.this_update,
        "next_update": one.next_update,
        "added_at": one.added_at,
        "added_by": one.added_by,
        "bundle": one.bundle,
        "etag": record_tag(one),
    }


def version_view(one: EkTrustVersion) -> EkVersionOut:
    bundle = one.bundle
    return {
        "version": one.number,
        "digest": one.digest.hex(),
        "cause": one.cause.value,
        "bundle": None
        if bundle is None
        else {
            "name": bundle.name,
            "version": bundle.version,
            "digest": bundle.digest.hex(),
        },
        "added": len(one.added),
        "removed": len(one.removed),
        "at": one.at,
        "by": one.by,
    }
