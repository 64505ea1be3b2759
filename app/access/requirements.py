"""What a route asks of its caller: `dependencies=[needs(Role.CURATOR, Scope.DEFECT_CLASS)]`."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import Depends, Request

from app.access.repository import Scope
from app.access.service import AccessService
from app.acting import Role, acting
from app.catalogs.errors import catalog_not_found, class_not_found, support_photo_not_found
from app.errors import HajaError, RoleInsufficient
from app.inspections.errors import classification_not_found
from app.jobs.errors import job_not_found
from app.photos.errors import photo_not_found

# What stands in somebody else's catalog is not there for the caller, in the very words of what is not there at all.
_HIDDEN: dict[Scope, Callable[[str], HajaError]] = {
    Scope.CATALOG: catalog_not_found,
    Scope.DEFECT_CLASS: lambda _: class_not_found(),
    Scope.SUPPORT_PHOTO: lambda _: support_photo_not_found(),
    Scope.CLASSIFICATION: lambda _: classification_not_found(),
    Scope.JOB: lambda _: job_not_found(),
    Scope.PHOTO: lambda _: photo_not_found(),
}


class Needs:
    """A role that must be held in the catalog of what the address names; without a scope, in one catalog at least.

    Raises:
        RoleInsufficient: the caller sees it and may not do this to it.
        The error of the scope for what does not exist: the caller does not see it.
    """

    def __init__(self, role: Role, scope: Scope | None) -> None:
        self.role = role
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise."""
        who = acting()
        if who.may(self.role):
            return
        if self.scope is None:
            if not who.catalogs(self.role):
                raise _insufficient(self.role, "in any catalog")
            return
        value = _parsed(self.scope, request.path_params[self.scope.value])
        if value is None:
            return  # it fits no parameter, and the route says so
        access: AccessService = request.app.state.access_service
        catalogs = await access.catalogs_of(self.scope, value)
        if any(who.may(self.role, catalog_id) for catalog_id in catalogs):
            return
        if any(who.may(Role.INSPECTOR, catalog_id) for catalog_id in catalogs):
            raise _insufficient(self.role, "in this catalog")
        # Also where there is no such thing yet: by the time the route looks, somebody may have made it.
        raise _HIDDEN[self.scope](str(value))


class NeedsEverywhere:
    """A role that must be held in every catalog. Raises `RoleInsufficient`."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self) -> None:
        """Let the request pass, or raise."""
        if not acting().may(self.role):
            raise _insufficient(self.role, "in every catalog")


def needs(role: Role, scope: Scope | None = None) -> Any:
    """A dependency for a route, see `Needs`."""
    return Depends(Needs(role, scope))


def needs_everywhere(role: Role) -> Any:
    """A dependency for a route, see `NeedsEverywhere`."""
    return Depends(NeedsEverywhere(role))


def _insufficient(role: Role, where: str) -> RoleInsufficient:
    return RoleInsufficient(f"This needs the role {role.value} {where}, which your key does not have.")


def _parsed(scope: Scope, value: object) -> UUID | str | None:
    text = str(value)
    if scope in {Scope.CATALOG, Scope.PHOTO}:
        return text
    try:
        return UUID(text)
    except ValueError:
        return None
