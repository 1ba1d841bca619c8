"""What the database refuses of visits: to close one twice, or to say anew what was done inside."""

from orgs.triggers import written_once

VISIT_GUARDS = (
    *written_once(
        "accounts_impersonation",
        "A visit closes once, and stays whose it was.",
        update_unless=(
            "NEW.id = OLD.id AND NEW.actor_id = OLD.actor_id AND NEW.target_id = OLD.target_id"
            " AND NEW.organization_id = OLD.organization_id"
            " AND NEW.basis = OLD.basis AND NEW.reason = OLD.reason"
            " AND (OLD.ended_at IS NULL OR (NEW.ended_at {same} OLD.ended_at"
            " AND NEW.started_at = OLD.started_at AND NEW.end_cause = OLD.end_cause"
            " AND NEW.ended_by_id {same} OLD.ended_by_id))"
        ),
        also_unique="known.actor_session_id = NEW.actor_session_id AND known.ended_at IS NULL AND NEW.ended_at IS NULL",
    ),
    *written_once(
        "accounts_impersonationactivity",
        "What was done inside a visit is written once.",
        update_unless=(
            "OLD.status IS NULL AND NEW.id = OLD.id AND NEW.impersonation_id = OLD.impersonation_id"
            " AND NEW.created_at = OLD.created_at AND NEW.kind = OLD.kind AND NEW.method = OLD.method"
            " AND NEW.view = OLD.view AND NEW.object = OLD.object"
        ),
    ),
)
