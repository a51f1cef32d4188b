"""What a request holds, and what an answer holds; both as JSON. The OpenAPI description is made from these classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, StringConstraints, Tag

#: The most characters of an id.
LONGEST = 1000

#: The id of a user, of an item or of a context feature's value, as the stream has it.
Id = StrictInt | Annotated[str, StringConstraints(strict=True, max_length=LONGEST)]
Ids = Annotated[list[Id], Field(fail_fast=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _kind_of_value(value: Any) -> str:
    """What a feature's value is taken for, so that an error is told of this kind alone."""
    return "list" if isinstance(value, list) else "number" if isinstance(value, float) else "id"


#: A category, a number, or a list of values; a number without a point may be a category.
Value = Annotated[
    Annotated[Id, Tag("id")] | Annotated[Number, Tag("number")] | Annotated[Ids, Tag("list")],
    Discriminator(_kind_of_value),
]
Context = dict[str, Value | None]

_USER = "The user's id."
_USERS = "The users' ids; there is an answer for each of them, in this order."
_HISTORY = "The items that the user has had, the latest first, instead of those that the package knows."
_CONTEXT = "The values of features by name: a category like the device, a number, or a list of values."
_K = "How many items each user gets at most."
_CANDIDATES = "The items to choose from; without it, all items."
_EXCLUDE = "Whether items that the user has had are left out."
_VERSION = "The version of the model that gave the whole answer."


class Request(BaseModel):
    """A request; a key that it does not have is refused."""

    model_config = ConfigDict(extra="forbid")


class ScoreRequest(Request):
    """Items to score for one user.

    Examples:
        >>> ScoreRequest(user=7, items=[1, 2]).history is None
        True
    """

    user: Annotated[Id, Field(description=_USER, examples=[7])]
    items: Annotated[Ids, Field(description="The items to score.", examples=[[12, 15]])]
    history: Annotated[Ids | None, Field(description=_HISTORY)] = None
    context: Annotated[Context | None, Field(description=_CONTEXT)] = None


class ScoreUsersRequest(Request):
    """Items to score for each of several users.

    Examples:
        >>> ScoreUsersRequest(users=[7, 8], items=[[1, 2], [3]]).users
        [7, 8]
    """

    users: Annotated[Ids, Field(description=_USERS, examples=[[7, 8]])]
    items: Annotated[
        list[Ids],
        Field(fail_fast=True, description="For each user, the items to score.", examples=[[[12, 15], [12]]]),
    ]
    history: Annotated[list[Ids | None] | None, Field(description=f"For each user: {_HISTORY}")] = None
    context: Annotated[list[Context | None] | None, Field(description=f"For each user: {_CONTEXT}")] = None


class RecommendRequest(Request):
    """A wish for the best items of one user.

    Examples:
        >>> RecommendRequest(user=7).k
        10
    """

    user: Annotated[Id, Field(description=_USER, examples=[7])]
    k: Annotated[StrictInt, Field(ge=1, description=_K)] = 10
    candidates: Annotated[Ids | None, Field(description=_CANDIDATES)] = None
    exclude_seen: Annotated[bool, Field(strict=True, description=_EXCLUDE)] = True
    history: Annotated[Ids | None, Field(description=_HISTORY)] = None
    context: Annotated[Context | None, Field(description=_CONTEXT)] = None


class RecommendUsersRequest(Request):
    """A wish for the best items of each of several users.

    Examples:
        >>> RecommendUsersRequest(users=[7, 8], k=3).exclude_seen
        True
    """

    users: Annotated[Ids, Field(description=_USERS, examples=[[7, 8]])]
    k: Annotated[StrictInt, Field(ge=1, description=_K)] = 10
    candidates: Annotated[list[Ids | None] | None, Field(description=f"For each user: {_CANDIDATES}")] = None
    exclude_seen: Annotated[bool, Field(strict=True, description=_EXCLUDE)] = True
    history: Annotated[list[Ids | None] | None, Field(description=f"For each user: {_HISTORY}")] = None
    context: Annotated[list[Context | None] | None, Field(description=f"For each user: {_CONTEXT}")] = None


def _one_or_several(body: Any) -> Literal["user", "users"]:
    """Which kind of request a body is, by its keys."""
    return "users" if isinstance(body, dict) and "users" in body and "user" not in body else "user"


AnyScoreRequest = Annotated[
    Annotated[ScoreRequest, Tag("user")] | Annotated[ScoreUsersRequest, Tag("users")], Discriminator(_one_or_several)
]
AnyRecommendRequest = Annotated[
    Annotated[RecommendRequest, Tag("user")] | Annotated[RecommendUsersRequest, Tag("users")],
    Discriminator(_one_or_several),
]


class UnknownIds(BaseModel):
    """What of a request the model does not know, and what was answered instead.

    Examples:
        >>> UnknownIds(user=True, items=[], context=[], history=[], instead="").user
        True
    """

    user: Annotated[bool, Field(description="Whether the user is unknown.")]
    items: Annotated[list[Id], Field(description="Unknown items among those of the request.")]
    context: Annotated[list[str], Field(description="Context features whose value is unknown.")]
    history: Annotated[list[Id], Field(description="Unknown items of the history.")]
    instead: Annotated[str, Field(description="In words, what was answered instead; empty if all is known.")]


class UserAnswer(BaseModel):
    """Items of one user, with their scores.

    Examples:
        >>> known = UnknownIds(user=False, items=[], context=[], history=[], instead="")
        >>> UserAnswer(user=7, items=[12], scores=[0.5], by="score", unknown=known).scores
        [0.5]
    """

    user: Annotated[Id, Field(description=_USER)]
    items: Annotated[list[Id], Field(description="/score: as asked for; /recommend: the best first.")]
    scores: Annotated[list[float], Field(description="The probability of a positive for each item.")]
    by: Annotated[str, Field(description="What ranked the items: score, or popularity where the user is new.")]
    unknown: UnknownIds


class Answer(UserAnswer):
    """The answer to a request for one user.

    Examples:
        >>> "version" in Answer.model_fields
        True
    """

    version: Annotated[str, Field(description=_VERSION)]


class Answers(BaseModel):
    """The answer to a request for several users.

    Examples:
        >>> Answers(version="after-period-000031", answers=[]).answers
        []
    """

    version: Annotated[str, Field(description=_VERSION)]
    answers: Annotated[list[UserAnswer], Field(description="One for each user, in the order of the request.")]


class Health(BaseModel):
    """How the server is.

    Examples:
        >>> Health(status="ok", version="after-period-000031", age_seconds=60.0, failed_reload=None).status
        'ok'
    """

    status: Literal["ok"]
    version: Annotated[str, Field(description="The version that answers.")]
    age_seconds: Annotated[float | None, Field(description="Seconds since this version was written.")]
    failed_reload: Annotated[
        str | None, Field(description="Why the newest version could not be loaded; the one before it goes on serving.")
    ]


class Failure(BaseModel):
    """The answer to a request that cannot be answered.

    Examples:
        >>> Failure(error="items: give a list of ids").model_dump()
        {'error': 'items: give a list of ids'}
    """

    error: Annotated[str, Field(description="What is wrong, and how to mend it.")]
