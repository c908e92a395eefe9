"""Manifests and their bundles."""

import hashlib

import pytest

from attestation.documents import ContentType, sign_document
from attestation.errors import DocumentFault, DocumentRefused
from attestation.manifest import (
    MAX_FILE,
    MAX_FILES,
    Manifest,
    ManifestKind,
    open_bundle,
    require_safe_paths,
    sign_bundle,
)
from tests.support.documents import KEY, MANIFEST, SIGNER

GOOD_PATHS = (
    "web.container",
    "web@.container",
    "conf/app_1/settings.d/10-a.yaml",
    "_x",
)
BAD_PATHS = {
    "empty": "",
    "absolute": "/etc/passwd",
    "upward": "../x",
    "upward inside": "a/../../x",
    "here": "./x",
    "empty segment": "a//b",
    "directory": "a/",
    "hidden": ".ssh/authorized_keys",
    "backslash": "a\\b",
    "drive": "C:x",
    "nul": "a\0b",
    "newline": "a\n",
    "blank": "a b",
    "option": "-rf",
    "not ASCII": "wéb",
    "full-width dots": "\uff0e\uff0e/x",
    "deep": "a/b/c/d/e",
    "long": "a" * 129,
}


def files(*paths: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((path, b"x") for path in paths)


def manifest_of(*paths: str) -> Manifest:
    return Manifest("web", 1, ManifestKind.KUBE, files(*paths))


def test_safe_paths_are_taken() -> None:
    assert manifest_of(*GOOD_PATHS).paths == GOOD_PATHS


@pytest.mark.parametrize("case", BAD_PATHS)
def test_an_unsafe_path_is_refused_before_signing_and_after(case: str) -> None:
    path = BAD_PATHS[case]
    with pytest.raises(DocumentRefused) as refusal:
        manifest_of("good", path)
    assert refusal.value.code is DocumentFault.UNSAFE_CONTENT
    listed = [[path, hashlib.sha256(b"x").digest(), b"x"]]
    fields = {1: "web", 2: 1, 3: "kube", 4: listed}
    with pytest.raises(DocumentRefused) as refusal:
        open_bundle(sign_document(ContentType.BUNDLE, fields, SIGNER), KEY)
    assert refusal.value.code is DocumentFault.UNSAFE_CONTENT


@pytest.mark.parametrize(
    "paths", [("a", "a"), ("a", "A"), ("a", "a/b"), ("x/y/z", "x/Y")]
)
def test_no_two_paths_may_mean_one_place(paths: tuple[str, ...]) -> None:
    with pytest.raises(DocumentRefused):
        require_safe_paths(paths)


UNFIT: dict[str, tuple[str, int, tuple[tuple[str, bytes], ...]]] = {
    "no files": ("web", 1, ()),
    "too many": ("web", 1, files(*(f"f{i}" for i in range(MAX_FILES + 1)))),
    "too long": ("web", 1, (("f", bytes(MAX_FILE + 1)),)),
    "odd name": ("../web", 1, files("f")),
    "version 0": ("web", 0, files("f")),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_manifest_is_bounded(case: str) -> None:
    name, version, content = UNFIT[case]
    with pytest.raises(DocumentRefused) as refusal:
        Manifest(name, version, ManifestKind.QUADLET, content)
    assert refusal.value.code is DocumentFault.UNSAFE_CONTENT


def test_a_bundle_is_bounded_though_each_file_is() -> None:
    content = tuple((f"f{i}", bytes(MAX_FILE)) for i in range(5))
    with pytest.raises(DocumentRefused, match="bundle"):
        sign_bundle(Manifest("web", 1, ManifestKind.KUBE, content), SIGNER)


def test_the_digest_is_of_the_signed_payload() -> None:
    bundle = open_bundle(sign_bundle(MANIFEST, SIGNER), KEY, MANIFEST.digest())
    assert bundle.digest == hashlib.sha256(MANIFEST.payload()).hexdigest()
    with pytest.raises(DocumentRefused) as refusal:
        open_bundle(sign_bundle(MANIFEST, SIGNER), KEY, "00" * 32)
    assert refusal.value.code is DocumentFault.WRONG_MANIFEST


def test_a_file_must_have_the_digest_beside_it() -> None:
    listed = [["web.container", hashlib.sha256(b"y").digest(), b"x"]]
    fields = {1: "web", 2: 1, 3: "kube", 4: listed}
    with pytest.raises(DocumentRefused, match="digest"):
        open_bundle(sign_document(ContentType.BUNDLE, fields, SIGNER), KEY)


def test_content_stays_out_of_logs() -> None:
    assert "Container" not in repr(MANIFEST)
