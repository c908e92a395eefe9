"""The machine under a device: its keys, its TPM, what the TPM says about the boot.

What a *server* needs is pure Python and opens nothing: ``structures``, ``quote``,
``make_credential``, ``eventlog`` and ``ima`` with their ``_replay``, ``profiles``. What
a *device* needs talks to a chip (``tpm`` and its helpers, which need the extra ``tpm``)
or reads files (``credential``, ``kernel_logs``).
``swtpm`` manufactures and runs software TPMs for tests and demonstrations.

This package judges no evidence and knows no protocol: it hands out bytes that a TPM
signed, and says whether such bytes are what they claim to be.
"""
