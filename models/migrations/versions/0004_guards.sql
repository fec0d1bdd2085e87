-- Walls behind rules that so far only locks and the code held: nobody competes as somebody else's agent or
-- as a deleted one, claims and entries stay whose they are, a bounty comes from its sender's wallet and goes
-- to the winner's or back, and envVars are replaced only by themselves under another key.

-- An agent together with its owner, to be referred to.
ALTER TABLE agents ADD CONSTRAINT agents_id_user_id_key UNIQUE (id, user_id);
ALTER TABLE claims
    DROP CONSTRAINT claims_agent_id_fkey,
    ADD CONSTRAINT claims_agent FOREIGN KEY (agent_id, user_id) REFERENCES agents (id, user_id);
ALTER TABLE submissions
    DROP CONSTRAINT submissions_agent_id_fkey,
    ADD CONSTRAINT submissions_agent FOREIGN KEY (agent_id, user_id) REFERENCES agents (id, user_id);

-- The few drops that a rotation of keys looks through.
CREATE INDEX jobs_sealed ON jobs (id) WHERE env_vars IS NOT NULL;

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
        NEW.time_limit_seconds, NEW.min_grade)
       IS DISTINCT FROM
       (OLD.sender_id, OLD.prompt, OLD.price_cents, OLD.fee_bps, OLD.fee_flat_cents, OLD.max_claims,
        OLD.time_limit_seconds, OLD.min_grade)
       OR OLD.opened_at IS NOT NULL AND (NEW.opened_at, NEW.window_closes_at)
          IS DISTINCT FROM (OLD.opened_at, OLD.window_closes_at)
       OR OLD.status IN ('completed', 'verified') AND (NEW.winning_submission_id, NEW.grade)
          IS DISTINCT FROM (OLD.winning_submission_id, OLD.grade)
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
    -- A lease of the sweep is no change that anyone outside would call one.
    IF (NEW.status, NEW.cancel_requested_at) IS DISTINCT FROM (OLD.status, OLD.cancel_requested_at) THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION require_living(agent uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    gone_at timestamptz;
BEGIN
    SELECT deleted_at INTO gone_at FROM agents WHERE id = agent FOR SHARE;
    IF gone_at IS NOT NULL THEN
        RAISE EXCEPTION 'agent % is deleted', agent
            USING ERRCODE = 'check_violation', CONSTRAINT = 'agents_living';
    END IF;
END $$;

CREATE FUNCTION agents_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM claims c JOIN jobs j ON j.id = c.job_id
        WHERE c.user_id = OLD.user_id AND c.agent_id = OLD.id AND c.state = 'held'
            AND c.expires_at > clock_timestamp() AND j.status = 'open'
    ) OR EXISTS (
        SELECT FROM submissions s JOIN jobs j ON j.id = s.job_id
        WHERE s.user_id = OLD.user_id AND s.agent_id = OLD.id AND j.ended_at IS NULL
    ) THEN
        RAISE EXCEPTION 'agent % is at work', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'agents_busy';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agents_guard BEFORE UPDATE OF deleted_at ON agents FOR EACH ROW
    WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION agents_guard();

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
    IF TG_OP = 'UPDATE' AND (NEW.job_id, NEW.user_id) IS DISTINCT FROM (OLD.job_id, OLD.user_id) THEN
        RAISE EXCEPTION 'claim % stays whose it is', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_frozen';
    END IF;
    IF NEW.state IN ('held', 'submitted') AND (TG_OP = 'INSERT'
       OR (NEW.agent_id, NEW.state, NEW.expires_at) IS DISTINCT FROM (OLD.agent_id, OLD.state, OLD.expires_at))
    THEN
        PERFORM require_living(NEW.agent_id);
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION submissions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    drop_row record;
BEGIN
    SELECT status, window_closes_at INTO drop_row FROM jobs WHERE id = NEW.job_id;
    IF TG_OP = 'UPDATE' AND (NEW.job_id, NEW.user_id, NEW.agent_id, NEW.claim_id)
       IS DISTINCT FROM (OLD.job_id, OLD.user_id, OLD.agent_id, OLD.claim_id)
    THEN
        RAISE EXCEPTION 'entry % stays whose it is', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_frozen';
    END IF;
    IF TG_OP = 'INSERT' OR (NEW.body, NEW.revised_at) IS DISTINCT FROM (OLD.body, OLD.revised_at) THEN
        IF drop_row.status <> 'open' OR NEW.revised_at >= drop_row.window_closes_at THEN
            RAISE EXCEPTION 'the window of drop % has closed', NEW.job_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_window';
        END IF;
        PERFORM require_living(NEW.agent_id);
    ELSIF drop_row.status <> 'ranking' THEN
        RAISE EXCEPTION 'drop % is not being ranked', NEW.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'submissions_verdict';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION transfers_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    drop_row record;
    owner uuid;
BEGIN
    SELECT j.sender_id, s.user_id AS winner_id INTO drop_row
        FROM jobs j LEFT JOIN submissions s ON s.id = j.winning_submission_id AND s.job_id = j.id AND s.rank = 1
        WHERE j.id = NEW.job_id;
    SELECT user_id INTO owner FROM accounts
        WHERE id = CASE NEW.kind WHEN 'hold' THEN NEW.debit_id ELSE NEW.credit_id END;
    IF NEW.kind = 'payout' AND (owner IS DISTINCT FROM drop_row.winner_id OR owner = drop_row.sender_id)
       OR NEW.kind <> 'payout' AND owner IS DISTINCT FROM drop_row.sender_id
    THEN
        RAISE EXCEPTION 'the % of drop % is for another wallet', NEW.kind, NEW.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfers_wallet';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_wallet AFTER INSERT ON transfers FOR EACH ROW
    WHEN (NEW.kind IN ('hold', 'refund', 'payout')) EXECUTE FUNCTION transfers_wallet();
