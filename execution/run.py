"""One execution of a plan: what the walk over its levels needs of graphql-core's executor, and what
has failed so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import located_error
from graphql.execution.values import get_argument_values
from graphql.type import GraphQLObjectType

from execution.direct import Direct, never_change
from execution.failures import Failed, Failures, Where, core_path, order_of, path_of
from execution.plan import FieldPlan, SelectionPlan, plan_selection


@dataclass(slots=True)
class Run:
    """`core` is graphql-core's executor of the operation. `failed` says whether anything did: until
    then no column need be searched for failures."""

    core: Any
    failures: Failures = field(default_factory=Failures)
    failed: bool = False

    def info(self, plan: FieldPlan, where: Where) -> Any:
        """What a resolver of the field is told."""
        return self.core.build_resolve_info(
            plan.definition, plan.nodes, plan.parent, core_path(where)
        )

    def arguments(self, plan: FieldPlan) -> Mapping[str, Any]:
        """The field's arguments, coerced; nobody may change them. Raises as graphql-core does."""
        if not plan.has_arguments:
            return {}
        if plan.coerced is not None:
            return plan.coerced
        first = plan.details[0]
        values = get_argument_values(
            plan.definition,
            first.node,
            self.core.variable_values,
            first.fragment_variable_values,
            self.core.hide_suggestions,
        )
        if plan.is_literal and never_change(values):
            plan.coerced = values
        return values

    def direct(
        self,
        plan: FieldPlan,
        direct: Direct,
        where: Where,
        source: Any,
        arguments: Mapping[str, Any],
    ) -> Any:
        """What the field's resolver gives, called directly, or its failure here."""
        try:
            info = None
            if direct.needs_info:
                info = direct.info_class(_raw_info=self.info(plan, where), _field=direct.field)
            given = plan.given
            if given is None:
                given = direct.given(arguments, info)
                if plan.coerced is not None and never_change(given):
                    plan.given = given
            value = direct.call(source, info, given.copy())
        except Exception as error:
            return self.fail(plan, where, error)
        return self.fail(plan, where, value) if isinstance(value, Exception) else value

    def below(self, plan: FieldPlan, type_: GraphQLObjectType) -> SelectionPlan:
        """What is selected of objects of this type in the field."""
        found = plan.selections.get(type_)
        if found is None:
            collected = self.core.collect_subfields(type_, plan.details).grouped_field_set
            found = plan_selection(self.core.schema, type_, collected, plan.tree)
            plan.selections[type_] = found
        return found

    def caught(
        self, plan: FieldPlan, where: Where, call: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """What a call returns, or its failure here: an exception that it returns is one too."""
        value = self.tried(plan, where, call, *args, **named)
        return self.fail(plan, where, value) if isinstance(value, Exception) else value

    def tried(
        self, plan: FieldPlan, where: Where, call: Callable[..., Any], *args: Any, **named: Any
    ) -> Any:
        """What a call returns, whatever it is, or its failure here."""
        try:
            return call(*args, **named)
        except Exception as error:
            return self.fail(plan, where, error)

    def fail(self, plan: FieldPlan, where: Where, error: Exception) -> Failed:
        """The error in place of a value."""
        self.failed = True
        located = located_error(error, plan.nodes, path_of(where))
        return Failed(located, order_of(where))
