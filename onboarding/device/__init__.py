"""The device: made, onboarded, attested, and running what its owner released.

``agent`` drives FDO (DI, TO1, TO2) with keys that stay in the TPM; ``attest`` and
``push`` answer for what runs; ``workload`` fetches, checks, applies and removes.
"""
