"""Who may read and write an NV index, as its attributes say.

Source: FDO Alliance, "Securing FDO Credentials in the TPM", NV profiles A to C; TPM 2.0
Library, part 2, section 13.4 (TPMA_NV).
"""

from enum import Enum

OWNER_WRITE, AUTH_WRITE, OWNER_READ, AUTH_READ = 1 << 1, 1 << 2, 1 << 17, 1 << 18
WRITE_LOCKED, WRITE_DEFINE, WRITE_STCLEAR = 1 << 11, 1 << 13, 1 << 14
NO_DA, READ_STCLEAR = 1 << 25, 1 << 31
WRITTEN, PLATFORM_CREATE = 1 << 29, 1 << 30
BY_OWNER = OWNER_READ | OWNER_WRITE
LOCKS = WRITE_DEFINE | WRITE_STCLEAR | READ_STCLEAR  # in which ways it can be locked
_BY_AUTH = AUTH_READ | AUTH_WRITE | NO_DA


class NvProfile(Enum):
    """TPMA_NV bits, but for those that say who made the index."""

    OPEN = _BY_AUTH | BY_OWNER  # A and C
    OWN = _BY_AUTH  # B
    # Ours: writing can be locked until a reset. Made by the owner, so that it can grow.
    LOCKABLE = _BY_AUTH | WRITE_STCLEAR
