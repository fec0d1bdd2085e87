-- A claim knows whether its agent was named and until when it may be released freely; a verdict knows whether
-- its reason quotes an entry, for then the public does not read it.

ALTER TABLE claims ADD COLUMN agent_named BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE claims ADD COLUMN release_free_until TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL;
ALTER TABLE claims ADD COLUMN released_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE claims ADD CONSTRAINT claims_released_check CHECK ((state = 'released') = (released_at IS NOT NULL));
ALTER TABLE jobs ADD COLUMN rationale_quotes BOOLEAN DEFAULT false NOT NULL;

CREATE OR REPLACE FUNCTION jobs_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'pending_payment' THEN
            RAISE EXCEPTION 'a drop begins as pending_payment, not %', NEW.status
                USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM job_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'a drop never goes from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_transition';
    END IF;
    -- What was agreed when the drop was made stays as agreed.
    IF (NEW.sender_id, NEW.prompt, NEW.price_cents, NEW.fee_bps, NEW.fee_flat_cents, NEW.max_claims,
        NEW.time_limit_seconds, NEW.min_grade, NEW.title, NEW.pack, NEW.created_at)
       IS DISTINCT FROM
       (OLD.sender_id, OLD.prompt, OLD.price_cents, OLD.fee_bps, OLD.fee_flat_cents, OLD.max_claims,
        OLD.time_limit_seconds, OLD.min_grade, OLD.title, OLD.pack, OLD.created_at)
       OR OLD.opened_at IS NOT NULL AND (NEW.opened_at, NEW.window_closes_at)
          IS DISTINCT FROM (OLD.opened_at, OLD.window_closes_at)
       OR OLD.status IN ('completed', 'verified', 'failed')
          AND (NEW.winning_submission_id, NEW.grade, NEW.grade_rationale, NEW.rationale_quotes, NEW.agreement,
               NEW.failure_reason)
          IS DISTINCT FROM
          (OLD.winning_submission_id, OLD.grade, OLD.grade_rationale, OLD.rationale_quotes, OLD.agreement,
           OLD.failure_reason)
       OR OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at
       OR NEW.deal_secret IS DISTINCT FROM OLD.deal_secret
          AND (OLD.deal_secret IS NOT NULL OR NOT (OLD.status = 'open' AND NEW.status = 'ranking'))
    THEN
        RAISE EXCEPTION 'the terms of drop % are frozen', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_frozen';
    END IF;
    -- Nobody here can read envVars, so one ciphertext may take the place of another: keys rotate. But
    -- none come up where there were none, or where they were wiped, and none vanish while the drop lives.
    IF OLD.env_vars IS NULL AND NEW.env_vars IS NOT NULL
       OR OLD.env_vars IS NOT NULL AND NEW.env_vars IS NULL AND NEW.ended_at IS NULL
    THEN
        RAISE EXCEPTION 'drop % has the envVars it was made with, or none any more', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_env_vars';
    END IF;
    IF NEW.winning_submission_id IS DISTINCT FROM OLD.winning_submission_id
       AND NEW.winning_submission_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM submissions s
        WHERE s.id = NEW.winning_submission_id AND s.job_id = NEW.id AND s.rank = 1 AND s.user_id <> NEW.sender_id)
    THEN
        RAISE EXCEPTION 'drop % is won by its own rank 1, never by its sender', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_winner';
    END IF;
    -- Work that came in is paid, but for the best of it being below the grade that was agreed.
    IF NEW.status <> OLD.status AND NEW.status IN ('cancelled', 'failed')
       AND (CASE WHEN OLD.status = 'ranking' AND NEW.failure_reason = 'below_min_grade'
           THEN NOT EXISTS (
               SELECT FROM submissions s WHERE s.job_id = NEW.id AND s.rank = 1
                   AND position(s.grade IN 'SABCDF') > position(NEW.min_grade IN 'SABCDF'))
           ELSE EXISTS (SELECT FROM submissions s WHERE s.job_id = NEW.id) END)
    THEN
        RAISE EXCEPTION 'the work that came in for drop % is paid', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_work_paid';
    END IF;
    -- A lease of the sweep is no change that anyone outside would call one.
    IF (NEW.status, NEW.cancel_requested_at) IS DISTINCT FROM (OLD.status, OLD.cancel_requested_at) THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION claims_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    drop_row record;
BEGIN
    SELECT sender_id, max_claims INTO drop_row FROM jobs WHERE id = NEW.job_id;
    IF NEW.slot > drop_row.max_claims THEN
        RAISE EXCEPTION 'drop % has % slots', NEW.job_id, drop_row.max_claims
            USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_max';
    END IF;
    IF NEW.user_id = drop_row.sender_id THEN
        RAISE EXCEPTION 'a sender does not compete in their own drop'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_own_drop';
    END IF;
    -- Else its slot would be free for one competitor more than there are slots.
    IF TG_OP = 'UPDATE' AND OLD.state = 'submitted' AND NEW.state <> 'submitted' THEN
        RAISE EXCEPTION 'claim % has an entry', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_submitted';
    END IF;
    -- Refreshing a claim does not begin the time anew within which it may be released freely.
    IF TG_OP = 'UPDATE' AND (NEW.job_id, NEW.user_id, NEW.created_at, NEW.release_free_until)
       IS DISTINCT FROM (OLD.job_id, OLD.user_id, OLD.created_at, OLD.release_free_until)
       OR TG_OP = 'UPDATE' AND OLD.released_at IS NOT NULL AND NEW.released_at IS DISTINCT FROM OLD.released_at
    THEN
        RAISE EXCEPTION 'claim % stays as it was made', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_frozen';
    END IF;
    IF NEW.state IN ('held', 'submitted') AND (TG_OP = 'INSERT'
       OR (NEW.agent_id, NEW.state, NEW.expires_at) IS DISTINCT FROM (OLD.agent_id, OLD.state, OLD.expires_at))
    THEN
        PERFORM require_living(NEW.agent_id);
    END IF;
    RETURN NEW;
END $$;
