-- The order and the labels of ballots derive from a secret, too: from ids and texts alone, they would tell a
-- competitor whether they guessed the text of a sealed entry right. Drops that are being ranked go on without one.

ALTER TABLE jobs ADD COLUMN deal_secret TEXT;

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
          AND (NEW.winning_submission_id, NEW.grade, NEW.grade_rationale, NEW.agreement, NEW.failure_reason)
          IS DISTINCT FROM
          (OLD.winning_submission_id, OLD.grade, OLD.grade_rationale, OLD.agreement, OLD.failure_reason)
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
