"""The app that holds the rooms from registry to releases."""

from django.apps import AppConfig


class EvaluationConfig(AppConfig):
    name = "evaluation"
    verbose_name = "Evaluation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Fill the lists that lower rooms declare and upper rooms serve."""
        from evaluation import wiring  # the app registry is ready only now

        wiring.connect()
