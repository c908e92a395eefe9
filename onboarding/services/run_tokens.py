"""What a peer sends of the token of its run."""

from onboarding.protocol.errors import TokenRefused


def token_of(authorization: str | None) -> str:
    """The token, with or without its scheme in front.

    Raises:
        TokenRefused: None was sent.
    """
    if authorization is None:
        raise TokenRefused("no Authorization")
    scheme, space, rest = authorization.partition(" ")
    if space and scheme.lower() == "bearer":
        return rest.strip(" \t")  # nothing else, since it is sent back as it came
    return authorization.strip(" \t")
