"""Session keys: made here, kept by the browser, and stored as hashes only."""

import hashlib
import secrets

KEY_BYTES = 32


def new_key() -> str:
    """Return a key of 256 random bits, as URL-safe text (ASVS 7.2.3 asks for at least 128)."""
    return secrets.token_urlsafe(KEY_BYTES)


def hash_key(key: str) -> str:
    """Return what is stored for ``key``: SHA-256 in hex. A random key needs neither salt nor a slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()
