"""The machine under a device: its keys, its TPM, what the TPM says about the boot.

Two halves. What a *server* needs is pure Python and opens nothing: ``structures``,
``quote``, ``make_credential``, ``profiles``. What a *device* needs talks to a chip:
``tpm`` and its helpers, ``credential``, ``boot``; only these need the extra ``tpm``.
``swtpm`` manufactures and runs software TPMs for tests and demonstrations.

This package judges no evidence and knows no protocol: it hands out bytes that a TPM
signed, and says whether such bytes are what they claim to be.
"""
