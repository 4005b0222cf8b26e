"""The WSGI application that gunicorn serves."""

import gc
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hardcases.config.settings")
application = get_wsgi_application()
import_module(settings.ROOT_URLCONF)  # every view now, which the first request would wait for otherwise
# What is loaded now stays for good. A full collection would walk through all of it again, while every thread of the process waits.
gc.collect()
gc.freeze()
