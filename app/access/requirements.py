"""What a route asks of its caller: `dependencies=[needs(Role.CURATOR, DEFECT_CLASS)]`."""

from typing import Any

from fastapi import Depends, Request

from app.access.scopes import Scope
from app.access.service import AccessService
from app.acting import Principal, Role
from app.errors import RoleInsufficient


async def ask_again(request: Request) -> Principal:
    """Who sends a request, as it stands now: what takes long may outlast its key.

    Raises:
        Unauthenticated: the key or the session has ended.
    """
    principal: Principal = await request.state.ask_again()  # Authenticate put it there
    return principal


class Needs:
    """A role that must be held in the catalog of what the address names; without a scope, in one catalog at least.

    Raises:
        RoleInsufficient: the caller sees it and may not do this to it.
        Unauthenticated: the key ended while the body arrived.
        The error of the scope for what does not exist: the caller does not see it.
    """

    def __init__(self, role: Role, scope: Scope | None) -> None:
        self.role = role
        self.scope = scope

    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise."""
        who = await ask_again(request)
        if who.may(self.role):
            return
        if self.scope is None:
            if not who.catalogs(self.role):
                raise _insufficient(self.role, "in any catalog")
            return
        try:
            value = self.scope.parse(str(request.path_params[self.scope.parameter]))
        except ValueError:
            return  # it fits no parameter, and the route says so
        access: AccessService = request.app.state.access_service
        catalogs = await access.catalogs_of(self.scope, value)
        if any(who.may(self.role, catalog_id) for catalog_id in catalogs):
            return
        if any(who.may(Role.INSPECTOR, catalog_id) for catalog_id in catalogs):
            raise _insufficient(self.role, "in this catalog")
        # What stands in somebody else's catalog is not there for the caller, in the very words of what is not there at
        # all; also where there is no such thing yet: by the time the route looks, somebody may have made it.
        raise self.scope.absent(str(value))


class NeedsEverywhere:
    """A role that must be held in every catalog. Raises `RoleInsufficient`, `Unauthenticated`."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise."""
        if not (await ask_again(request)).may(self.role):
            raise _insufficient(self.role, "in every catalog")


def needs(role: Role, scope: Scope | None = None) -> Any:
    """A dependency for a route, see `Needs`."""
    return Depends(Needs(role, scope))


def needs_everywhere(role: Role) -> Any:
    """A dependency for a route, see `NeedsEverywhere`."""
    return Depends(NeedsEverywhere(role))


def _insufficient(role: Role, where: str) -> RoleInsufficient:
    return RoleInsufficient(f"This needs the role {role.value} {where}, which your key does not have.")
