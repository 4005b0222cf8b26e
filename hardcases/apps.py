"""The app that holds the rooms from audit to test sets."""

from django.apps import AppConfig


class HardcasesConfig(AppConfig):
    name = "hardcases"
    verbose_name = "Hardcases"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Fill the lists that lower rooms declare and upper rooms serve (work handlers, query terms, erasure), and register the system checks."""
        from hardcases import checks, wiring  # the app registry is ready only now
        from hardcases.database import among

        among.register()
        wiring.connect()
        checks.connect()
