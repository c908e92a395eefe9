"""NV indices: bytes that stay in the TPM.

Indices are made under the platform hierarchy where it is open (at the factory), so that
TPM2_Clear leaves them, and under the owner's where it is not; those that must be able
to grow later, when the platform's may be closed, under the owner's always.
Source: TPM 2.0 Library, part 3, section 31.
"""

from dataclasses import dataclass

from hw.errors import NvFixedError, TpmError
from hw.nv_profile import (
    BY_OWNER,
    LOCKS,
    WRITE_DEFINE,
    WRITE_LOCKED,
    WRITE_STCLEAR,
    NvProfile,
)
from hw.tss import (
    ESYS_TR,
    TPM2_ALG,
    TPM2_RC,
    TPM2B_NV_PUBLIC,
    TPMA_NV,
    TPMS_NV_PUBLIC,
    Buffer,
    Link,
    TSS2_Exception,
)

MAX_NV = 2048  # bytes in one index; what common TPMs offer


def nv_read(link: Link, index: int) -> bytes | None:
    """The whole content of ``index``; None when it is not defined or never written."""
    with link.use(f"read NV {index:#010x}") as esys:
        found = _defined(link, index)
        if found is None or not found.attributes & TPMA_NV.WRITTEN:
            return None
        handle = found.handle
        auth = _reader(found.attributes, handle)
        size, step = found.size, link.buffer_size(Buffer.NV)
        try:
            return b"".join(
                bytes(esys.nv_read(handle, min(step, size - at), at, auth_handle=auth))
                for at in range(0, size, step)
            )
        except TSS2_Exception as error:
            if error.rc == TPM2_RC.NV_LOCKED:
                raise _locked(index, " for reading") from error
            raise


@dataclass(frozen=True, slots=True)
class _Index:
    handle: ESYS_TR
    attributes: int
    size: int


def _defined(link: Link, index: int) -> _Index | None:
    """An index as it is now: another program may have made it anew, or removed it."""
    with link.use(f"look for NV {index:#010x}") as esys:
        handle = link.handle(index)
        if handle is None:
            return None
        try:
            public = esys.nv_read_public(handle)[0]
        except TSS2_Exception as error:
            link.forget_if_gone(index, error)
            return None
        area = public.nvPublic
        return _Index(handle, int(area.attributes), int(area.dataSize))


def _reader(attributes: int, handle: ESYS_TR) -> ESYS_TR:
    """Who may read: factory certificates often allow the owner or platform only."""
    if attributes & TPMA_NV.AUTHREAD:
        return handle
    return ESYS_TR.OWNER if attributes & TPMA_NV.OWNERREAD else ESYS_TR.PLATFORM


def nv_write(
    link: Link,
    index: int,
    data: bytes,
    profile: NvProfile = NvProfile.OWN,
    *,
    exact: bool = False,
) -> None:
    """Write ``data`` from the start of ``index``, making the index when need be.

    An index that is larger keeps its size and what stood behind ``data``, unless it has
    to be ``exact``; one of another size or profile is made anew, unless it is locked
    until a reset: to remove it would be a way around the lock. A write cut short by
    loss of power leaves a mixture, or no index: whoever cares keeps two copies, as
    ``hw.credential`` does.
    """
    if not 0 < len(data) <= MAX_NV:
        raise TpmError(f"{len(data)} bytes do not fit an NV index of {MAX_NV}")
    with link.use(f"write NV {index:#010x}") as esys:
        handle = _fitting(link, index, len(data), profile, exact)
        step = link.buffer_size(Buffer.NV)
        try:
            for at in range(0, len(data), step):
                esys.nv_write(handle, data[at : at + step], at, auth_handle=handle)
        except TSS2_Exception as error:
            if error.rc == TPM2_RC.NV_LOCKED:
                raise _locked(index) from error
            raise


def nv_lock(link: Link, index: int) -> None:
    """Let nobody write ``index`` until the TPM is reset; nothing when there is none.

    Raises:
        TpmError: The index is not of the profile LOCKABLE.
    """
    with link.use(f"lock NV {index:#010x}") as esys:
        handle = link.handle(index)
        if handle is not None:
            esys.nv_write_lock(handle, auth_handle=handle)


def nv_remove(link: Link, index: int) -> None:
    """Take an index away, if there is one."""
    with link.use(f"remove NV {index:#010x}") as esys:
        found = _defined(link, index)
        if found is None:
            return
        made_by_platform = found.attributes & TPMA_NV.PLATFORMCREATE
        creator = ESYS_TR.PLATFORM if made_by_platform else ESYS_TR.OWNER
        try:
            esys.nv_undefine_space(found.handle, auth_handle=creator)
        except TSS2_Exception as error:
            if made_by_platform and error.error == TPM2_RC.HIERARCHY:
                raise NvFixedError(
                    f"NV {index:#010x} was made by the platform hierarchy, which is"
                    " closed by now: it cannot be removed, nor made anew"
                ) from error
            raise
        link.forget(index)


def _fitting(
    link: Link, index: int, size: int, profile: NvProfile, exact: bool
) -> ESYS_TR:
    with link.use(f"define NV {index:#010x}"):
        found = _defined(link, index)
        if found is not None:
            if _is_locked(found.attributes):
                raise _locked(index)
            fits = found.size == size or (found.size > size and not exact)
            if fits and _is_of(found.attributes, profile):
                return found.handle
            nv_remove(link, index)
        return _define(link, index, size, profile)


def _is_of(attributes: int, profile: NvProfile) -> bool:
    """Whether an index allows what the profile does, and is locked as it is."""
    wanted = profile.value
    return attributes & wanted == wanted and not (attributes ^ wanted) & LOCKS


def _is_locked(attributes: int) -> bool:
    """Whether nobody may write until a reset; what others locked for good is none."""
    until_reset = attributes & (WRITE_STCLEAR | WRITE_DEFINE) == WRITE_STCLEAR
    return until_reset and bool(attributes & WRITE_LOCKED)


def _define(link: Link, index: int, size: int, profile: NvProfile) -> ESYS_TR:
    with link.use(f"define NV {index:#010x}") as esys:
        public = _template(index, size, profile.value | int(TPMA_NV.PLATFORMCREATE))
        try:
            if profile is not NvProfile.LOCKABLE:
                return esys.nv_define_space(b"", public, ESYS_TR.PLATFORM)
        except TSS2_Exception as error:
            if error.rc == TPM2_RC.NV_SPACE:
                raise _full(index, size) from error
        # Firmware closes the platform hierarchy before any operating system runs.
        public = _template(index, size, profile.value | BY_OWNER)
        try:
            return esys.nv_define_space(b"", public, ESYS_TR.OWNER)
        except TSS2_Exception as error:
            if error.rc == TPM2_RC.NV_SPACE:
                raise _full(index, size) from error
            raise


def _locked(index: int, how: str = "") -> TpmError:
    return TpmError(
        f"NV {index:#010x} is locked{how} until the machine is started anew"
    )


def _full(index: int, size: int) -> TpmError:
    return TpmError(
        f"the TPM's memory is full: no {size} bytes for NV {index:#010x}; remove"
        " indices that nobody needs (tpm2_getcap handles-nv-index, tpm2_nvundefine)"
    )


def _template(index: int, size: int, attributes: int) -> TPM2B_NV_PUBLIC:
    return TPM2B_NV_PUBLIC(
        nvPublic=TPMS_NV_PUBLIC(
            nvIndex=index,
            nameAlg=TPM2_ALG.SHA256,
            attributes=TPMA_NV(attributes),
            dataSize=size,
        )
    )
