"""Every column that names a file of the store is known to the sweep for orphans, to verification and to the backup."""

from django.apps import apps

from hardcases.blobs.owners import BLOB_OWNERS


def test_every_digest_column_is_entered_as_holding_or_mentioning() -> None:
    forgotten = [
        f"{model.__name__}.{column.attname}"
        for model in apps.get_models()
        for column in model._meta.concrete_fields
        if column.attname.endswith("sha256")
        and (model not in BLOB_OWNERS or column.attname not in {*BLOB_OWNERS[model].holds, *BLOB_OWNERS[model].mentions})
    ]
    assert not forgotten, f"enter in wiring with register_blobs, or their files are deleted as orphans: {forgotten}"


def test_every_entered_column_exists() -> None:
    for owner in BLOB_OWNERS.values():
        assert {*owner.holds, *owner.mentions} <= {column.attname for column in owner.model._meta.concrete_fields}
