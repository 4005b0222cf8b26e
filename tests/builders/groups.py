"""Pictures and texts that look like each other, and cases of them in their groups, placed the way the worker does it."""

import io
from typing import Any

import numpy as np
from PIL import Image

from hardcases.cases.models import Case
from hardcases.groups.models import Group
from hardcases.projects.models import Project
from hardcases.work.tasks import all_due
from tests.builders import cases


def a_scene(seed: int, *, side: int = 96) -> Image.Image:
    """A smooth random picture; another seed gives one that is not like it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def like(seed: int, variant: int = 0, *, side: int = 96) -> bytes:
    """The picture of this seed with other bytes: brighter or darker by a few grey levels in a few pixels."""
    values = np.asarray(a_scene(seed, side=side)).copy()
    values[0, : variant + 1] ^= 3
    return png(Image.fromarray(values))


def work() -> None:
    """Do what the sweeper finds, until there is nothing left."""
    for _ in range(200):
        tasks = all_due()
        if not tasks:
            return
        for item in tasks:
            item.task(**item.kwargs)
    raise AssertionError("The work never ended.")


def a_picture(project: Project, seed: int, variant: int = 0, **fields: Any) -> Case:
    """A reported picture; same seed, same problem. Its group is decided by `work`."""
    return cases.report(project, f"{seed}-{variant}", content=like(seed, variant), **fields).case


def a_group(project: Project, seed: int, size: int = 3, **fields: Any) -> Group:
    """A group of that many pictures, all of them in the inbox."""
    made = [a_picture(project, seed, variant, **fields) for variant in range(size)]
    work()
    made[0].refresh_from_db()
    group = Group.objects.get(project=project, number=made[0].group_number)
    assert group.count == size, f"{group.count} of {size} came together"
    return group


def recount(project: Project) -> None:
    """The law of the counts: what a group says of itself is what its cases say."""
    alive = Case.objects.filter(project=project, group_number__gt=0).exclude(state="erased")
    for group in Group.objects.filter(project=project):
        mine = alive.filter(group_number=group.number)
        said = (group.count, group.waiting, group.snoozed, sum(group.days.values_list("count", flat=True)))
        assert said == (mine.count(), mine.filter(state="inbox").count(), mine.filter(state="snoozed").count(), mine.count()), group.key
    assert sum(Group.objects.filter(project=project).values_list("count", flat=True)) == alive.count()
