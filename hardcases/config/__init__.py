"""Composition root: settings, urls and the Celery application. Nothing imports this package but the processes that start it."""

from hardcases.config.celery import app as celery_app

__all__ = ["celery_app"]
