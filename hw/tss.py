"""One connection to one TPM: the only place that imports the TPM software stack.

Import this and you need the extra ``tpm``; servers whose keys are in none do without.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from hw.errors import TpmError, TpmUnavailableError

# The stack writes a line to stderr for every refusal, also for those we expect.
os.environ.setdefault("TSS2_LOG", "all+NONE")

try:
    from tpm2_pytss import ESAPI, TSS2_Exception
    from tpm2_pytss.constants import (
        ESYS_TR,
        TPM2_ALG,
        TPM2_CAP,
        TPM2_EO,
        TPM2_RC,
        TPM2_SE,
        TPMA_NV,
        TPMA_OBJECT,
        TPMA_SESSION,
    )
    from tpm2_pytss.tsskey import TSSPrivKey
    from tpm2_pytss.types import (
        TPM2B_ENCRYPTED_SECRET,
        TPM2B_ID_OBJECT,
        TPM2B_NV_PUBLIC,
        TPM2B_PUBLIC,
        TPM2B_SENSITIVE_CREATE,
        TPML_DIGEST,
        TPML_PCR_SELECTION,
        TPMS_NV_PUBLIC,
        TPMS_SENSITIVE_CREATE,
        TPMT_PUBLIC,
        TPMT_PUBLIC_PARMS,
        TPMT_RSA_DECRYPT,
        TPMT_SIG_SCHEME,
        TPMT_SYM_DEF,
        TPMU_SYM_KEY_BITS,
        TPMU_SYM_MODE,
    )
    from tpm2_pytss.utils import NoSuchIndex, create_ek_template
except ImportError as error:
    raise TpmUnavailableError(
        f"install the extra 'tpm' (vouchgate[tpm]) and libtss2: {error}"
    ) from error

__all__ = [
    "AES_CFB",
    "ESYS_TR",
    "TPM2B_ENCRYPTED_SECRET",
    "TPM2B_ID_OBJECT",
    "TPM2B_NV_PUBLIC",
    "TPM2B_PUBLIC",
    "TPM2B_SENSITIVE_CREATE",
    "TPM2_ALG",
    "TPM2_CAP",
    "TPM2_EO",
    "TPM2_RC",
    "TPM2_SE",
    "TPMA_NV",
    "TPMA_OBJECT",
    "TPMA_SESSION",
    "TPML_DIGEST",
    "TPML_PCR_SELECTION",
    "TPMS_NV_PUBLIC",
    "TPMS_SENSITIVE_CREATE",
    "TPMT_PUBLIC",
    "TPMT_PUBLIC_PARMS",
    "TPMT_RSA_DECRYPT",
    "TPMT_SIG_SCHEME",
    "Buffer",
    "Link",
    "NoSuchIndex",
    "TSS2_Exception",
    "TSSPrivKey",
    "create_ek_template",
    "of_the_line",
]

AES_CFB = TPMT_SYM_DEF(  # of a session that encrypts parameters
    algorithm=TPM2_ALG.AES,
    keyBits=TPMU_SYM_KEY_BITS(aes=128),
    mode=TPMU_SYM_MODE(aes=TPM2_ALG.CFB),
)
_TRANSIENT, _HMAC_SESSION, _POLICY_SESSION = 0x80000000, 0x02000000, 0x03000000
_FLUSH_CONTEXT = bytes.fromhex("80010000000e00000165")  # and a handle
_UNMANAGED = ("swtpm", "mssim")  # TCTIs with no resource manager behind them
_SMALLEST_BUFFER = 512  # bytes, for a TPM that does not say


class Buffer(IntEnum):
    """TPM_PT properties: how many bytes one command takes."""

    INPUT = 0x10D
    NV = 0x12C


class Link:
    """Serialises commands, turns the stack's errors into ours, remembers handles.

    A raw software TPM has no resource manager: of its three slots for objects and three
    for sessions, one Link takes at most one of each, so two may work side by side.

    When the line breaks, what was under way fails, and whoever comes next connects
    anew: an agent that runs for months outlives a restart of its resource manager.
    """

    def __init__(self, tcti: str) -> None:
        """Connect; raises TpmUnavailableError when nothing answers at ``tcti``."""
        self._tcti = tcti
        self._lock = threading.RLock()
        self._handles: dict[int, ESYS_TR] = {}
        self._sizes: dict[Buffer, int] = {}
        self._depth = 0  # of ``use``, which may be entered within itself
        self._lost = False
        self._esys: ESAPI | None = None
        self._connect()

    def _connect(self) -> None:
        try:
            self._esys = ESAPI(self._tcti)
            if self._tcti.startswith(_UNMANAGED):
                self._flush_leftovers(self._esys)
        except (TSS2_Exception, RuntimeError) as error:
            self._drop()
            why = _unreachable(self._tcti) or str(error)
            raise TpmUnavailableError(f"no TPM at {self._tcti}: {why}") from error

    def close(self) -> None:
        """Release the connection; safe to call twice. It is not made anew."""
        with self._lock:
            self._lost = False
            self._drop()

    def _drop(self) -> None:
        if self._esys is not None:
            self._esys.close()
        self._esys = None
        self._handles.clear()

    @contextmanager
    def use(self, doing: str) -> Iterator[ESAPI]:
        """Hold the TPM for some commands; ``doing`` starts the text of any error."""
        with self._lock:
            esys = self._connected(doing)
            self._depth += 1
            try:
                yield esys
            except TSS2_Exception as error:
                self._lost = self._lost or of_the_line(error)
                raise TpmError(f"{doing}: {error}") from error
            finally:
                self._depth -= 1

    def _connected(self, doing: str) -> ESAPI:
        if self._lost and self._depth == 0:
            self._drop()
            self._connect()
            self._lost = False
        if self._esys is None:
            raise TpmError(f"{doing}: the connection to the TPM is closed")
        return self._esys

    def handle(self, number: int) -> ESYS_TR | None:
        """The stack's handle for a persistent object or NV index, None if absent."""
        with self.use(f"look up {number:#010x}") as esys:
            if number not in self._handles:
                try:
                    self._handles[number] = esys.tr_from_tpmpublic(number)
                except TSS2_Exception as error:
                    if error.error != TPM2_RC.HANDLE:
                        raise
                    return None
            return self._handles[number]

    def require(self, number: int, what: str) -> ESYS_TR:
        """Like ``handle``; raises TpmError when the TPM has no such object."""
        found = self.handle(number)
        if found is None:
            raise TpmError(f"the TPM holds no {what} at {number:#010x}")
        return found

    def forget(self, number: int) -> None:
        """Drop a remembered handle whose object has changed or is gone."""
        with self._lock:
            self._handles.pop(number, None)

    def forget_if_gone(self, number: int, error: TSS2_Exception) -> None:
        """Drop a remembered handle of what another program has taken away meanwhile.

        Raises:
            TSS2_Exception: The error says something else.
        """
        if error.error != TPM2_RC.HANDLE:
            raise error
        self.forget(number)

    def buffer_size(self, buffer: Buffer) -> int:
        """Bytes this TPM takes at once in that kind of command."""
        with self.use(f"ask for {buffer.name}") as esys:
            if buffer not in self._sizes:
                _, found = esys.get_capability(TPM2_CAP.TPM_PROPERTIES, buffer, 1)
                listed = {int(p.property): p.value for p in found.data.tpmProperties}
                self._sizes[buffer] = int(listed.get(buffer, _SMALLEST_BUFFER))
            return self._sizes[buffer]

    @contextmanager
    def policy_session(
        self, trial: bool = False, hashing: int = TPM2_ALG.SHA256
    ) -> Iterator[ESYS_TR]:
        """A policy session, flushed at the end: a bare TPM has three slots.

        Enter it within ``use``, so that no other thread's session comes between and
        errors bear the name of what was attempted.
        """
        with self.use("open policy session") as esys:
            session = esys.start_auth_session(
                ESYS_TR.NONE,
                ESYS_TR.NONE,
                TPM2_SE.TRIAL if trial else TPM2_SE.POLICY,
                TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL),
                hashing,
            )
        try:
            yield session
        finally:
            with self.use("close policy session") as esys:
                esys.flush_context(session)

    @staticmethod
    def _flush_leftovers(esys: ESAPI) -> None:
        """Free the slots that clients which died before us have left occupied.

        One occupied slot of a kind may be a living client's, in the midst of its work.
        """
        for kind in (_TRANSIENT, _HMAC_SESSION, _POLICY_SESSION):
            _, found = esys.get_capability(TPM2_CAP.HANDLES, kind, 64)
            numbers = [int(number) for number in found.data.handles]
            for number in numbers if len(numbers) > 1 else []:
                _flush(esys, number)


def _unreachable(tcti: str) -> str:
    """Say why a device file cannot be the way to a TPM; empty where it could be."""
    path = tcti.removeprefix("device:")
    if path == tcti or not path:
        return ""
    if not os.path.exists(path):
        return "there is no such device"
    if not os.access(path, os.R_OK | os.W_OK):
        return "this user may not open it (on Debian: the group tss)"
    return ""


def of_the_line(error: TSS2_Exception) -> bool:
    """Whether the stack failed on the way, and not the TPM itself."""
    return bool(error.rc >> 16)


def _flush(esys: ESAPI, number: int) -> None:
    """TPM2_FlushContext, past the stack: it takes no handle it did not give itself.

    What is not there any more needs no flushing, so the answer is not looked at.
    """
    esys.tcti.transmit(_FLUSH_CONTEXT + number.to_bytes(4, "big"))
    esys.tcti.receive()
