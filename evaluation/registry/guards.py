"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard, append_only

GUARDS: list[Guard] = [
    *append_only("evaluation_modelversion", "A registered model version is never changed or deleted."),
    *append_only("evaluation_replicate", "A registered replicate is never changed or deleted."),
    *append_only("evaluation_productionmark", "Production marks are never changed or deleted."),
]
