"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
