"""NV indices: bytes that stay in the TPM.

Indices are made under the platform hierarchy where it is open (at the factory), so that
TPM2_Clear leaves them, and under the owner's where it is not.
Source: FDO Alliance, "Securing FDO Credentials in the TPM", NV profiles A to C.
"""

from collections.abc import Callable
from typing import Any

from hw.errors import TpmError
from hw.tss import (
    ESYS_TR,
    TPM2_ALG,
    TPM2B_NV_PUBLIC,
    TPMA_NV,
    TPMS_NV_PUBLIC,
    Buffer,
    Link,
    TSS2_Exception,
)

MAX_NV = 2048  # bytes in one index; what common TPMs offer
_ATTRIBUTES = TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE | TPMA_NV.NO_DA


def nv_read(link: Link, index: int) -> bytes | None:
    """The whole content of ``index``; None when it is not defined or never written."""
    with link.use(f"read NV {index:#010x}") as esys:
        handle = link.handle(index)
        if handle is None:
            return None
        public, _ = esys.nv_read_public(handle)
        if not public.nvPublic.attributes & TPMA_NV.WRITTEN:
            return None
        auth = _reader(public.nvPublic.attributes, handle)
        size, step = int(public.nvPublic.dataSize), link.buffer_size(Buffer.NV)
        return b"".join(
            bytes(esys.nv_read(handle, min(step, size - at), at, auth_handle=auth))
            for at in range(0, size, step)
        )


def _reader(attributes: int, handle: ESYS_TR) -> ESYS_TR:
    """Who may read: factory certificates often allow the owner or platform only."""
    if attributes & TPMA_NV.AUTHREAD:
        return handle
    return ESYS_TR.OWNER if attributes & TPMA_NV.OWNERREAD else ESYS_TR.PLATFORM


def nv_write(link: Link, index: int, data: bytes) -> None:
    """Write ``data`` from the start of ``index``, making the index when need be.

    An index that is larger keeps its size and what stood behind ``data``; one that is
    too small is made anew. A write cut short by loss of power leaves a mixture: whoever
    cares keeps two copies, as ``hw.credential`` does.
    """
    if not 0 < len(data) <= MAX_NV:
        raise TpmError(f"{len(data)} bytes do not fit an NV index of {MAX_NV}")
    with link.use(f"write NV {index:#010x}") as esys:
        handle = _sized_index(link, index, len(data))
        step = link.buffer_size(Buffer.NV)
        for at in range(0, len(data), step):
            esys.nv_write(handle, data[at : at + step], at, auth_handle=handle)


def _sized_index(link: Link, index: int, size: int) -> ESYS_TR:
    with link.use(f"define NV {index:#010x}") as esys:
        handle = link.handle(index)
        if handle is not None:
            public, _ = esys.nv_read_public(handle)
            if public.nvPublic.dataSize >= size:
                return handle
            made_by_platform = public.nvPublic.attributes & TPMA_NV.PLATFORMCREATE
            creator = ESYS_TR.PLATFORM if made_by_platform else ESYS_TR.OWNER
            esys.nv_undefine_space(handle, auth_handle=creator)
            link.forget(index)
        return _define(esys.nv_define_space, index, size)


def _define(define: Callable[..., Any], index: int, size: int) -> ESYS_TR:
    try:
        return define(
            b"", _template(index, size, TPMA_NV.PLATFORMCREATE), ESYS_TR.PLATFORM
        )
    except TSS2_Exception:
        # Firmware closes the platform hierarchy before any operating system runs.
        template = _template(index, size, TPMA_NV.OWNERREAD | TPMA_NV.OWNERWRITE)
        return define(b"", template, ESYS_TR.OWNER)


def _template(index: int, size: int, more: TPMA_NV) -> TPM2B_NV_PUBLIC:
    return TPM2B_NV_PUBLIC(
        nvPublic=TPMS_NV_PUBLIC(
            nvIndex=index,
            nameAlg=TPM2_ALG.SHA256,
            attributes=_ATTRIBUTES | more,
            dataSize=size,
        )
    )
