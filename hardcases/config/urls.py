"""Every address of the product. Rooms bring their own; this page only says where each hangs."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
