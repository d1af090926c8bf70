"""Who is let in at the people's door: local accounts, a provider (OpenID Connect), how long a log-in holds."""

from typing import Literal

from pydantic import Field

from config.secret_urls import Hidden
from config.section import Section
from config.values import Count, Flag, Name, Place, Seconds, Url, Whole

RoleName = Literal["radiologist", "operator", "administrator", "auditor"]


class Grant(Section):
    """What whoever has a value in the provider's `roles_claim` is here; several add up."""

    value: Name = Field(description="value of the claim: a group or a role at the provider")
    role: RoleName = Field(description="radiologist, operator, administrator or auditor")
    destinations: tuple[Name, ...] = Field(
        (), description="they see results of studies that go to one of these destinations alone; empty: of all"
    )
    departments: tuple[Name, ...] = Field(
        (), description="they see results of studies that came for one of these departments alone; empty: of all"
    )


class AccessSettings(Section):
    """Who is let in, and how long for. Times are in seconds."""

    local: Flag = Field(True, description="users whom the node knows by a password may log in")
    issuer: Url | None = Field(
        None,
        description="issuer of the provider (OpenID Connect): what stands before /.well-known/openid-configuration",
    )
    client_id: str = Field("", max_length=256, description="what the provider calls the node")
    client_secret: Hidden | None = Field(None, description="by what the node proves itself to the provider")
    client_secret_file: Place | None = Field(
        None, description="file that holds `client_secret`; nobody else may read it"
    )
    ca: Place | None = Field(
        None, description="certificates (PEM) of the authority that signed the provider's; the system's by default"
    )
    scopes: tuple[Name, ...] = Field(
        ("openid", "profile"), description="what is asked of the provider; openid has to be among it"
    )
    name_claim: Name = Field(
        "preferred_username", description="claim of the ID token that has the user's name, as the trail will say it"
    )
    roles_claim: Name = Field(
        "groups", description="claim that has their groups or roles; dots lead further in: realm_access.roles"
    )
    departments_claim: str = Field(
        "",
        max_length=256,
        description="claim that has the departments whose studies they may see, and then nobody without it is let in; "
        "empty: grants alone say so",
    )
    grants: tuple[Grant, ...] = Field(
        (), description="what each group or role at the provider may do here; who is in none is not let in"
    )
    acr: str = Field(
        "", max_length=256, description="how users have to prove themselves at the provider (acr), such as by two means"
    )
    idle: Seconds = Field(1800.0, ge=60, le=86_400, description="s without a request, after which a log-in is over")
    longest: Seconds = Field(43_200.0, ge=300, le=30 * 86_400, description="s after which a log-in is over in any case")
    token: Seconds = Field(300.0, ge=30, le=3600, description="s that an access token holds; then it is made anew")
    attempts: Whole = Field(
        5, ge=1, le=100, description="log-ins that may fail for a user from one address within `lock`"
    )
    lock: Seconds = Field(900.0, ge=1, le=86_400, description="s that whoever failed too often is locked out")
    shortest_password: Whole = Field(15, ge=8, le=128, description="characters of a password at least")
    invitation: Seconds = Field(86_400.0, ge=60, le=30 * 86_400, description="s that a one-time token holds")
    refusals: Count = Field(
        30, description="requests a minute of one address that show something wrong and are recorded; beyond it 429"
    )
