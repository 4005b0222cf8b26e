"""How calls are named in the OpenAPI file. Apart from `schema`, because REST framework loads it while that module is still being read."""

from drf_spectacular.openapi import AutoSchema


class Operations(AutoSchema):
    """Names each call after its address and method, so that no two collide: `cases_item_patch`."""

    def get_operation_id(self) -> str:
        """`@extend_schema(operation_id=…)` still wins."""
        parts = [part for part in self.path.removeprefix("/api/v1/").split("/") if part]
        named = ["item" if part.startswith("{") else part.replace("-", "_") for part in parts]
        subject = named[2:] if named[:2] == ["projects", "item"] and len(named) > 2 else named
        return "_".join([*subject, self.method.lower()])
