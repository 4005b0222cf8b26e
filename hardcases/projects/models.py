"""People, teams, projects, what a project's cases look like, and the tokens that act for it."""

import uuid
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from hardcases.projects.permissions import Role

TASKS = ("classification", "multilabel", "detection", "regression")
LEAKS = ("mark", "refuse")
ATTRIBUTE_TYPES = ("category", "number", "boolean", "text", "date")


class User(AbstractUser):
    """A person. Deactivated (`is_active`), never deleted: the audit log and signatures name them."""

    class Meta(AbstractUser.Meta):
        # Signing in ignores case, so two names may not differ by case alone.
        constraints = [models.UniqueConstraint(Lower("username"), name="username_once")]

    @property
    def printed_name(self) -> str:
        """The name as it stands under a signature."""
        return self.get_full_name() or self.username


class SignInLink(models.Model):
    """A one-time link with which an invited person, or one who forgot the password, sets a new one. Only its digest is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"sign-in link for {self.user}"


class Team(models.Model):
    """A named group of people that owns projects. Its members have `default_role` in each of them."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=150)
    default_role = models.CharField(max_length=16, default="viewer")
    members: "models.ManyToManyField[User, Any]" = models.ManyToManyField(User, through="TeamMembership", related_name="teams")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(default_role__in=list(Role)), name="team_default_role")]

    def __str__(self) -> str:
        return self.slug


class TeamMembership(models.Model):
    """A person in a team; one who `manages` it says who else is, and what they may do."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="team_memberships")
    manages = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="team_member_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Project(models.Model):
    """One product under test: its classes, attributes, people, cases and releases. Nothing crosses between projects."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=150)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="projects")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="owned_projects")
    task = models.CharField(max_length=16)
    key_prefix = models.CharField(max_length=8)
    classes = models.JSONField(default=list)
    positive_class = models.CharField(max_length=128, null=True)
    cluster_attribute = models.CharField(max_length=128, null=True)
    strip_metadata = models.BooleanField(default=False)
    # What becomes of a new content that a model version of the project was trained on.
    leaks = models.CharField(max_length=8, default="mark", db_default="mark")
    # The ids of the sampling rules in force, in order; NULL without any, which spares the door a query.
    sampling = models.JSONField(null=True)
    dicom = models.JSONField(null=True)  # what differs from the defaults of documents.DicomSpec
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(task__in=TASKS), name="project_task"),
            models.CheckConstraint(condition=Q(leaks__in=LEAKS), name="project_leaks"),
        ]

    def __str__(self) -> str:
        return self.slug


class Attribute(models.Model):
    """A declared, typed fact about cases. Names that are not declared land in a case's quarantine."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="attributes")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=128)
    type = models.CharField(max_length=8)
    values = models.JSONField(null=True)
    bins = models.JSONField(null=True)
    # Declared only by being named as the cluster attribute; the project document does not list it.
    implied = models.BooleanField(default=False)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="attribute_once"),
            models.CheckConstraint(condition=Q(type__in=ATTRIBUTE_TYPES), name="attribute_type"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One role of one person in one project; a person may hold several."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user", "role"], name="role_once"),
            models.CheckConstraint(condition=Q(role__in=list(Role)), name="membership_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.project}"


class ApiToken(models.Model):
    """What a machine shows instead of a password: bound to one project, scoped, expiring, kept as a digest."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tokens")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=150)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class RateUse(models.Model):
    """What a token or a project has sent in the ten seconds of `slot`, summed over processes. One row a subject, written over in the next slot."""

    subject = models.CharField(max_length=64, primary_key=True)  # token:<id> or project:<id>
    slot = models.BigIntegerField()  # seconds since 1970, divided by ten
    requests = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.subject} {self.slot}"


class Counter(models.Model):
    """The last number given out for one kind of thing in a project: cases, runs, releases. Taken under a row lock, so numbers are never given twice."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="counters")
    kind = models.CharField(max_length=16)
    value = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind"], name="counter_once")]

    def __str__(self) -> str:
        return f"{self.project} {self.kind} {self.value}"
