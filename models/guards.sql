-- What a table definition cannot refuse: triggers, and the views that operators audit with.
-- Belongs to schema.py; the code holds the same rules, this is the wall behind it.

-- Lifecycle ---------------------------------------------------------------------------------

-- The moves of states.py, as data.
CREATE TABLE job_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO job_transitions VALUES
    ('pending_payment', 'open'),
    ('pending_payment', 'cancelled'),
    ('open', 'ranking'),
    ('open', 'cancelled'),
    ('open', 'failed'),
    ('ranking', 'completed'),
    ('ranking', 'failed'),
    ('completed', 'verified');

CREATE FUNCTION jobs_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER jobs_guard BEFORE INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_guard();

-- Names ---------------------------------------------------------------------------------------

-- A name under which an agent competed, and a user's own name, stay with that user for good.
CREATE FUNCTION names_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'the holder of the name % never changes', OLD.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'names_frozen';
    END IF;
    -- A claim that is being made holds the agent: `require_living`.
    PERFORM FROM agents WHERE id = OLD.agent_id FOR NO KEY UPDATE;
    IF OLD.agent_id IS NULL OR EXISTS (SELECT FROM agents WHERE id = OLD.agent_id AND competed) THEN
        RAISE EXCEPTION 'the name % is a user''s own, or competed', OLD.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'names_kept';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER names_guard BEFORE UPDATE OR DELETE ON names FOR EACH ROW EXECUTE FUNCTION names_guard();

-- Competitors -------------------------------------------------------------------------------

-- Whoever competes as an agent holds it until the commit, so that it is not deleted meanwhile.
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

-- The other side of it: who is at work is not deleted.
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

-- A claim may go to another agent, and yet this one was seen to compete.
CREATE FUNCTION agents_competed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'agent % has competed', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'agents_competed';
END $$;
CREATE TRIGGER agents_competed BEFORE UPDATE OF competed ON agents FOR EACH ROW
    WHEN (OLD.competed AND NOT NEW.competed) EXECUTE FUNCTION agents_competed();

CREATE FUNCTION claims_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
        UPDATE agents SET competed = true WHERE id = NEW.agent_id AND NOT competed;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER claims_guard BEFORE INSERT OR UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION claims_guard();

CREATE FUNCTION submissions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER submissions_guard BEFORE INSERT OR UPDATE ON submissions
    FOR EACH ROW EXECUTE FUNCTION submissions_guard();

-- Money -------------------------------------------------------------------------------------

-- From what kind of account to what kind each kind of transfer goes.
CREATE TABLE transfer_routes (
    kind text PRIMARY KEY,
    debit_kind text NOT NULL,
    credit_kind text NOT NULL
);
INSERT INTO transfer_routes VALUES
    ('credit', 'world', 'wallet'),
    ('hold', 'wallet', 'escrow'),
    ('refund', 'escrow', 'wallet'),
    ('payout', 'escrow', 'wallet'),
    ('fee', 'escrow', 'fees'),
    ('topup', 'world', 'wallet'),
    ('withdrawal', 'wallet', 'world'),
    ('withdrawal_return', 'world', 'wallet');

-- The transfers that go another way, through the escrow of another drop than their own, or with another
-- wallet or amount than their payment's.
CREATE VIEW misrouted_transfers AS
    SELECT t.id, t.kind, d.kind AS debit_kind, c.kind AS credit_kind
    FROM transfers t JOIN accounts d ON d.id = t.debit_id JOIN accounts c ON c.id = t.credit_id
    WHERE (t.kind, d.kind, c.kind) NOT IN (SELECT kind, debit_kind, credit_kind FROM transfer_routes)
        OR coalesce(d.job_id, c.job_id) IS DISTINCT FROM t.job_id
        OR t.payment_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM payments p WHERE p.id = t.payment_id AND p.amount_cents = t.amount_cents
                AND p.user_id = coalesce(d.user_id, c.user_id));

CREATE FUNCTION transfers_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM misrouted_transfers WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'no % goes from % to %', NEW.kind, NEW.debit_id, NEW.credit_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfers_route';
    END IF;
    UPDATE accounts SET balance_cents = balance_cents - NEW.amount_cents
        WHERE id = NEW.debit_id AND balance_cents IS NOT NULL;
    UPDATE accounts SET balance_cents = balance_cents + NEW.amount_cents
        WHERE id = NEW.credit_id AND balance_cents IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_post AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION transfers_post();

-- Whose wallet it is: the sender's pays the bounty and gets it back, the winner's is paid.
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
-- By its name it fires after transfers_post: a route that leads nowhere is said first.
CREATE TRIGGER transfers_wallet AFTER INSERT ON transfers FOR EACH ROW
    WHEN (NEW.kind IN ('hold', 'refund', 'payout')) EXECUTE FUNCTION transfers_wallet();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- A balance moves only inside transfers_post (trigger depth 2), and begins at nothing.
CREATE FUNCTION accounts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.balance_cents <> 0
       OR TG_OP = 'UPDATE' AND (pg_trigger_depth() < 2
          OR (NEW.id, NEW.kind, NEW.user_id, NEW.job_id)
             IS DISTINCT FROM (OLD.id, OLD.kind, OLD.user_id, OLD.job_id))
    THEN
        RAISE EXCEPTION 'balances change only through transfers'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_by_transfer';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_guard BEFORE INSERT OR UPDATE ON accounts
    FOR EACH ROW EXECUTE FUNCTION accounts_guard();

-- At commit, status and escrow agree: the whole bounty while the drop lives, nothing before and after.
CREATE FUNCTION escrow_agrees() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    drop_id uuid;
    drop_row record;
    held bigint;
    paid boolean;
BEGIN
    IF TG_TABLE_NAME = 'jobs' THEN drop_id := NEW.id; ELSE drop_id := NEW.job_id; END IF;
    SELECT status, price_cents INTO drop_row FROM jobs WHERE id = drop_id;
    SELECT coalesce(sum(balance_cents), 0) INTO held FROM accounts WHERE job_id = drop_id;
    SELECT EXISTS (SELECT FROM transfers WHERE job_id = drop_id AND kind = 'payout') INTO paid;
    IF held <> (CASE WHEN drop_row.status IN ('open', 'ranking', 'completed') THEN drop_row.price_cents ELSE 0 END)
       OR paid <> (drop_row.status = 'verified')
    THEN
        RAISE EXCEPTION 'drop % is % with % cents in escrow (paid out: %)', drop_id, drop_row.status, held, paid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'escrow_agrees';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER jobs_escrow AFTER INSERT OR UPDATE OF status ON jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION escrow_agrees();
CREATE CONSTRAINT TRIGGER transfers_escrow AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.job_id IS NOT NULL) EXECUTE FUNCTION escrow_agrees();

INSERT INTO accounts (id, kind) VALUES
    ('00000000-0000-7000-8000-000000000001', 'world'), -- where money comes from: minus what came in
    ('00000000-0000-7000-8000-000000000002', 'fees');

-- Payments ----------------------------------------------------------------------------------

-- The moves of payments.py, as data. Late money still counts, and a transfer may come back.
CREATE TABLE payment_transitions (
    kind text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (kind, from_state, to_state)
);
INSERT INTO payment_transitions VALUES
    ('topup', 'requested', 'pending'),
    ('topup', 'requested', 'succeeded'),
    ('topup', 'requested', 'failed'),
    ('topup', 'pending', 'succeeded'),
    ('topup', 'pending', 'failed'),
    ('topup', 'failed', 'succeeded'),
    ('withdrawal', 'requested', 'pending'),
    ('withdrawal', 'requested', 'succeeded'),
    ('withdrawal', 'requested', 'failed'),
    ('withdrawal', 'pending', 'succeeded'),
    ('withdrawal', 'pending', 'failed'),
    ('withdrawal', 'succeeded', 'failed');

CREATE FUNCTION payments_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('requested', 'pending') THEN
            RAISE EXCEPTION 'no payment begins as %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state <> OLD.state AND NOT EXISTS (
        SELECT FROM payment_transitions
        WHERE kind = OLD.kind AND from_state = OLD.state AND to_state = NEW.state
    ) THEN
        RAISE EXCEPTION 'a % never goes from % to %', OLD.kind, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_transition';
    END IF;
    IF (NEW.id, NEW.user_id, NEW.kind, NEW.rail, NEW.amount_cents, NEW.automatic)
       IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.kind, OLD.rail, OLD.amount_cents, OLD.automatic)
    THEN
        RAISE EXCEPTION 'the terms of payment % are frozen', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_frozen';
    END IF;
    IF NEW.state <> OLD.state THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payments_guard BEFORE INSERT OR UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_guard();

-- The payments whose transfers are not those of their state.
CREATE VIEW unsettled_payments AS
    SELECT p.id, p.kind, p.state, t.kinds
    FROM payments p CROSS JOIN LATERAL (
        SELECT array_agg(t.kind ORDER BY t.kind) AS kinds FROM transfers t WHERE t.payment_id = p.id
    ) t
    WHERE t.kinds IS DISTINCT FROM CASE
        WHEN p.kind = 'topup' AND p.state = 'succeeded' THEN ARRAY['topup']
        WHEN p.kind = 'topup' THEN NULL
        WHEN p.state = 'failed' THEN ARRAY['withdrawal', 'withdrawal_return']
        ELSE ARRAY['withdrawal']
    END;

-- At commit, state and transfers agree: a top-up has come in or not, a withdrawal is out or back.
CREATE FUNCTION payment_agrees() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payment uuid;
BEGIN
    IF TG_TABLE_NAME = 'payments' THEN payment := NEW.id; ELSE payment := NEW.payment_id; END IF;
    IF EXISTS (SELECT FROM unsettled_payments WHERE id = payment) THEN
        RAISE EXCEPTION 'payment % and its transfers disagree', payment
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_agrees';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payments_transfers AFTER INSERT OR UPDATE OF state ON payments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payment_agrees();
CREATE CONSTRAINT TRIGGER transfers_payment AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION payment_agrees();

CREATE TRIGGER payment_notices_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_notices
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Files -------------------------------------------------------------------------------------

-- A file stays as it came. Its bytes are given up once, and never while a drop that it hangs on goes on or was
-- paid out.
CREATE FUNCTION uploads_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.user_id, NEW.name, NEW.size, NEW.content_type, NEW.sha256)
       IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.name, OLD.size, OLD.content_type, OLD.sha256)
       OR OLD.removed_at IS NOT NULL AND NEW.removed_at IS DISTINCT FROM OLD.removed_at
    THEN
        RAISE EXCEPTION 'upload % stays as it came', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'uploads_frozen';
    END IF;
    IF NEW.removed_at IS NOT NULL AND OLD.removed_at IS NULL AND EXISTS (
        SELECT FROM attachments a JOIN jobs j ON j.id = a.job_id
        WHERE a.upload_id = NEW.id AND (j.ended_at IS NULL OR j.status = 'verified'))
    THEN
        RAISE EXCEPTION 'upload % hangs on a drop that goes on, or was paid out', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'uploads_kept';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER uploads_guard BEFORE UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION uploads_guard();

-- The files of a drop are part of its terms; those of an entry are its author's until the window closes.
CREATE FUNCTION attachments_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    attached record;
    drop_row record;
    gone_at timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- Held until the commit, so that its bytes are not given up meanwhile.
        SELECT removed_at INTO gone_at FROM uploads WHERE id = NEW.upload_id FOR SHARE;
        IF gone_at IS NOT NULL THEN
            RAISE EXCEPTION 'the bytes of upload % are gone', NEW.upload_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'attachments_there';
        END IF;
    END IF;
    attached := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    SELECT status, sender_id, window_closes_at INTO drop_row FROM jobs WHERE id = attached.job_id;
    IF TG_OP = 'UPDATE' OR attached.submission_id IS NULL AND (
           TG_OP = 'DELETE' OR drop_row.status <> 'pending_payment' OR attached.user_id <> drop_row.sender_id)
    THEN
        RAISE EXCEPTION 'the files of drop % are frozen', attached.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attachments_frozen';
    END IF;
    IF attached.submission_id IS NOT NULL AND (
        drop_row.status <> 'open' OR clock_timestamp() >= drop_row.window_closes_at OR NOT EXISTS (
            SELECT FROM submissions s
            WHERE s.id = attached.submission_id AND s.job_id = attached.job_id AND s.user_id = attached.user_id))
    THEN
        RAISE EXCEPTION 'the window of drop % has closed', attached.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'attachments_window';
    END IF;
    RETURN attached;
END $$;
CREATE TRIGGER attachments_guard BEFORE INSERT OR UPDATE OR DELETE ON attachments
    FOR EACH ROW EXECUTE FUNCTION attachments_guard();

-- What happened, and what was decided --------------------------------------------------------

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER rejudgements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rejudgements
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER ballots_append_only BEFORE UPDATE OR DELETE ON ballots
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- These change while they live, and stay for good.
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nothing leaves %', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_TABLE_NAME || '_kept';
END $$;
CREATE TRIGGER jobs_kept BEFORE DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION kept();
CREATE TRIGGER claims_kept BEFORE DELETE ON claims FOR EACH STATEMENT EXECUTE FUNCTION kept();
CREATE TRIGGER submissions_kept BEFORE DELETE ON submissions FOR EACH STATEMENT EXECUTE FUNCTION kept();
CREATE TRIGGER accounts_kept BEFORE DELETE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION kept();

-- Audit -------------------------------------------------------------------------------------

CREATE VIEW audit_transfers AS
    SELECT id, kind, job_id, debit_id, credit_id, amount_cents, created_at FROM transfers;

CREATE VIEW audit_accounts AS
    SELECT a.id, a.kind, u.name AS owner, a.job_id,
        coalesce(
            a.balance_cents,
            (SELECT coalesce(sum(amount_cents), 0) FROM transfers WHERE credit_id = a.id)
            - (SELECT coalesce(sum(amount_cents), 0) FROM transfers WHERE debit_id = a.id)
        )::bigint AS balance_cents
    FROM accounts a LEFT JOIN users u ON u.id = a.user_id;

CREATE VIEW audit_violations(rule, detail) AS
    SELECT 'sum_zero', format('all accounts together hold %s cents', sum(balance_cents))
    FROM audit_accounts HAVING sum(balance_cents) <> 0
UNION ALL
    SELECT 'balance_drift', format('%s account %s says %s cents, its transfers say %s', a.kind, a.id,
        a.balance_cents, coalesce(t.cents, 0))
    FROM accounts a LEFT JOIN (
        SELECT side AS id, sum(cents) AS cents
        FROM transfers CROSS JOIN LATERAL (VALUES (credit_id, amount_cents), (debit_id, -amount_cents)) s(side, cents)
        GROUP BY side
    ) t USING (id) WHERE a.balance_cents <> coalesce(t.cents, 0)
UNION ALL
    SELECT 'negative_balance', format('%s account %s holds %s cents', kind, id, balance_cents)
    FROM accounts WHERE balance_cents < 0
UNION ALL
    SELECT 'escrow_disagrees', format('drop %s is %s, priced %s, with %s cents in escrow', j.id, j.status,
        j.price_cents, coalesce(a.balance_cents, 0))
    FROM jobs j LEFT JOIN accounts a ON a.job_id = j.id
    WHERE coalesce(a.balance_cents, 0)
        <> CASE WHEN j.status IN ('open', 'ranking', 'completed') THEN j.price_cents ELSE 0 END
UNION ALL
    SELECT 'settled_once', format('drop %s is %s with %s holds, %s payouts, %s refunds, %s fees', j.id,
        j.status, j.holds, j.payouts, j.refunds, j.fees)
    FROM (
        SELECT j.id, j.status, j.opened_at,
            count(*) FILTER (WHERE t.kind = 'hold') AS holds,
            count(*) FILTER (WHERE t.kind = 'payout') AS payouts,
            count(*) FILTER (WHERE t.kind = 'refund') AS refunds,
            count(*) FILTER (WHERE t.kind = 'fee') AS fees
        FROM jobs j LEFT JOIN transfers t ON t.job_id = j.id GROUP BY j.id
    ) j
    WHERE j.holds <> CASE WHEN j.opened_at IS NULL THEN 0 ELSE 1 END
        OR j.payouts <> CASE WHEN j.status = 'verified' THEN 1 ELSE 0 END
        OR j.refunds <> CASE WHEN j.opened_at IS NOT NULL AND j.status IN ('cancelled', 'failed') THEN 1 ELSE 0 END
        OR j.fees > j.payouts
UNION ALL
    SELECT 'hold', format('the hold of drop %s is %s of %s cents, or not its sender''s', j.id, t.amount_cents,
        j.price_cents)
    FROM transfers t JOIN jobs j ON j.id = t.job_id JOIN accounts a ON a.id = t.debit_id
    WHERE t.kind = 'hold' AND (a.user_id IS DISTINCT FROM j.sender_id OR t.amount_cents <> j.price_cents)
UNION ALL
    SELECT 'work_refunded', format('drop %s is %s (%s) with %s entries', j.id, j.status,
        coalesce(j.failure_reason, 'called off'), count(*))
    FROM jobs j JOIN submissions s ON s.job_id = j.id
    WHERE j.status = 'cancelled' OR j.status = 'failed' AND j.failure_reason <> 'below_min_grade' GROUP BY j.id
UNION ALL
    SELECT 'orphan', format('transfer %s belongs to drop %s, which is not there', t.id, t.job_id)
    FROM transfers t LEFT JOIN jobs j ON j.id = t.job_id WHERE t.job_id IS NOT NULL AND j.id IS NULL
UNION ALL
    SELECT 'orphan', format('entry %s belongs to drop %s, which is not there', s.id, s.job_id)
    FROM submissions s LEFT JOIN jobs j ON j.id = s.job_id WHERE j.id IS NULL
UNION ALL
    SELECT 'payout_amount', format('drop %s paid %s of %s cents, fee %s', j.id, p.amount_cents, j.price_cents,
        coalesce(f.amount_cents, 0))
    FROM jobs j JOIN transfers p ON p.job_id = j.id AND p.kind = 'payout'
    LEFT JOIN transfers f ON f.job_id = j.id AND f.kind = 'fee'
    WHERE p.amount_cents <> j.price_cents - j.fee_cents OR coalesce(f.amount_cents, 0) <> j.fee_cents
UNION ALL
    SELECT 'payee', format('the payout of drop %s did not go to its rank 1', p.job_id)
    FROM transfers p JOIN jobs j ON j.id = p.job_id JOIN accounts a ON a.id = p.credit_id
    WHERE p.kind = 'payout' AND NOT EXISTS (
        SELECT FROM submissions s WHERE s.id = j.winning_submission_id AND s.job_id = j.id AND s.rank = 1
            AND s.user_id = a.user_id AND s.user_id <> j.sender_id)
UNION ALL
    SELECT 'refundee', format('the refund of drop %s did not go to its sender', t.job_id)
    FROM transfers t JOIN jobs j ON j.id = t.job_id JOIN accounts a ON a.id = t.credit_id
    WHERE t.kind = 'refund' AND (a.user_id IS DISTINCT FROM j.sender_id OR t.amount_cents <> j.price_cents)
UNION ALL
    SELECT 'route', format('transfer %s, a %s, goes from a %s to a %s', id, kind, debit_kind, credit_kind)
    FROM misrouted_transfers
UNION ALL
    SELECT 'ranks', format('drop %s is %s with %s entries and ranks %s', j.id, j.status, coalesce(s.entries, 0),
        s.ranks)
    FROM jobs j LEFT JOIN (
        SELECT job_id, count(*) AS entries, count(rank) AS ranked, array_agg(rank ORDER BY rank) AS ranks
        FROM submissions GROUP BY job_id
    ) s ON s.job_id = j.id
    WHERE CASE WHEN j.status IN ('completed', 'verified') OR j.failure_reason = 'below_min_grade'
        THEN s.ranks IS DISTINCT FROM ARRAY(SELECT generate_series(1, s.entries)::smallint)
        ELSE s.ranked > 0 END
UNION ALL
    SELECT 'late_entry', format('entry %s came %s after its window', s.id,
        greatest(s.created_at, s.revised_at) - j.window_closes_at)
    FROM submissions s JOIN jobs j ON j.id = s.job_id
    WHERE s.revised_at >= j.window_closes_at OR s.created_at >= j.window_closes_at
UNION ALL
    SELECT 'window', format('the window of drop %s is %s, not %s s', id, window_closes_at - opened_at,
        time_limit_seconds)
    FROM jobs WHERE window_closes_at <> opened_at + time_limit_seconds * interval '1 second'
UNION ALL
    SELECT 'slots', format('drop %s has %s entries in %s slots', j.id, count(*), j.max_claims)
    FROM jobs j JOIN submissions s ON s.job_id = j.id GROUP BY j.id HAVING count(*) > j.max_claims
UNION ALL
    SELECT 'slots', format('claim %s is for slot %s of %s in drop %s', c.id, c.slot, j.max_claims, j.id)
    FROM claims c JOIN jobs j ON j.id = c.job_id WHERE c.slot > j.max_claims
UNION ALL
    SELECT 'claim', format('entry %s has a claim that is %s', s.id, coalesce(c.state, 'not there'))
    FROM submissions s LEFT JOIN claims c ON c.id = s.claim_id WHERE c.state IS DISTINCT FROM 'submitted'
UNION ALL
    SELECT 'own_drop', format('the sender of drop %s competes in it', j.id)
    FROM jobs j JOIN submissions s ON s.job_id = j.id AND s.user_id = j.sender_id
UNION ALL
    SELECT 'own_drop', format('the sender of drop %s has claim %s in it', j.id, c.id)
    FROM jobs j JOIN claims c ON c.job_id = j.id AND c.user_id = j.sender_id
UNION ALL
    SELECT 'payment_disagrees', format('%s %s is %s with the transfers %s', kind, id, state, kinds)
    FROM unsettled_payments
UNION ALL
    SELECT 'unnoticed', format('no rail told of top-up %s, which has succeeded', p.id)
    FROM payments p WHERE p.kind = 'topup' AND p.state = 'succeeded'
        AND NOT EXISTS (SELECT FROM payment_notices n WHERE n.payment_id = p.id)
UNION ALL
    SELECT 'wallet', format('user %s has no wallet', u.id)
    FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE a.id IS NULL
UNION ALL
    SELECT 'name', format('user %s does not hold the name that it has', u.id)
    FROM users u LEFT JOIN names n ON n.key = u.name_key AND n.user_id = u.id WHERE n.key IS NULL
UNION ALL
    SELECT 'name', format('agent %s has a name that its user does not hold', a.id)
    FROM agents a LEFT JOIN names n ON n.key = a.name_key AND n.user_id = a.user_id
    WHERE a.deleted_at IS NULL AND n.key IS NULL
UNION ALL
    SELECT 'fee', format('the fee of drop %s is %s of %s cents, at %s bps + %s', id, fee_cents, price_cents, fee_bps,
        fee_flat_cents)
    FROM jobs WHERE fee_cents <> LEAST(price_cents * fee_bps / 10000 + fee_flat_cents, price_cents - 1)
UNION ALL
    SELECT 'winner', format('drop %s is %s, its winner is %s', j.id, j.status, coalesce(s.id::text, 'nobody'))
    FROM jobs j LEFT JOIN submissions s ON s.id = j.winning_submission_id
    WHERE CASE WHEN j.status IN ('completed', 'verified')
        THEN (s.job_id, s.rank, s.grade) IS DISTINCT FROM (j.id, 1::smallint, j.grade)
        ELSE j.winning_submission_id IS NOT NULL END
UNION ALL
    SELECT 'min_grade', format('drop %s is %s with a %s, its sender asked for %s', id, status, grade, min_grade)
    FROM jobs WHERE status IN ('completed', 'verified')
        AND position(grade IN 'SABCDF') > position(min_grade IN 'SABCDF')
UNION ALL
    SELECT 'min_grade', format('drop %s failed for its min_grade %s, its best entry is a %s', j.id, j.min_grade,
        s.grade)
    FROM jobs j LEFT JOIN submissions s ON s.job_id = j.id AND s.rank = 1
    WHERE j.failure_reason = 'below_min_grade'
        AND (position(s.grade IN 'SABCDF') > position(j.min_grade IN 'SABCDF')) IS NOT TRUE
UNION ALL
    SELECT 'grades', format('entry %s of drop %s is a %s behind a %s', id, job_id, grade, better)
    FROM (
        SELECT id, job_id, grade, lag(grade) OVER (PARTITION BY job_id ORDER BY rank) AS better
        FROM submissions WHERE rank IS NOT NULL
    ) ranked WHERE position(grade IN 'SABCDF') < position(better IN 'SABCDF')
UNION ALL
    SELECT 'agent', format('entry %s competes as an agent of somebody else', s.id)
    FROM submissions s JOIN agents a ON a.id = s.agent_id WHERE a.user_id <> s.user_id
UNION ALL
    SELECT 'ended', format('drop %s is %s and ended %s', id, status, coalesce(ended_at::text, 'never'))
    FROM jobs WHERE (status IN ('verified', 'cancelled', 'failed')) <> (ended_at IS NOT NULL)
UNION ALL
    SELECT 'untold', format('no event tells that drop %s is %s', j.id, j.status)
    FROM jobs j WHERE j.status IN ('verified', 'cancelled', 'failed') AND NOT EXISTS (
        SELECT FROM events e WHERE e.job_id = j.id AND e.kind IN ('payout.posted', 'drop.failed', 'drop.cancelled')
            AND e.kind = CASE j.status WHEN 'verified' THEN 'payout.posted' ELSE 'drop.' || j.status END)
UNION ALL
    -- What was told before there were events is missing, so an account may begin anywhere.
    SELECT 'history', format('drop %s, which is %s, was told to go from %s to %s', j.id, j.status,
        coalesce(e.before, 'nothing'), e.told)
    FROM (
        SELECT job_id, told, lag(told) OVER told_in_order AS before, lead(told) OVER told_in_order AS after
        FROM (
            SELECT id, job_id, CASE kind WHEN 'drop.opened' THEN 'open' WHEN 'payout.posted' THEN 'verified'
                ELSE substr(kind, length('drop.') + 1) END AS told
            FROM events WHERE kind IN ('drop.opened', 'drop.ranking', 'drop.completed', 'drop.failed',
                'drop.cancelled', 'payout.posted')
        ) moves WINDOW told_in_order AS (PARTITION BY job_id ORDER BY id)
    ) e JOIN jobs j ON j.id = e.job_id
    LEFT JOIN job_transitions t ON t.from_status = e.before AND t.to_status = e.told
    WHERE e.before IS NOT NULL AND t.to_status IS NULL
        OR e.after IS NULL AND e.told <> j.status AND j.ended_at IS NULL
UNION ALL
    -- A day is longer than any outage that nobody hears of, and than any judge may take; an hour than any lease.
    SELECT 'overdue', format('drop %s is %s for too long, its task is due at %s', id, status, due_at)
    FROM jobs WHERE due_at IS NOT NULL AND (
        now() - interval '1 day' > CASE status
            WHEN 'pending_payment' THEN created_at + interval '1 day'
            WHEN 'open' THEN window_closes_at
            WHEN 'ranking' THEN updated_at
            WHEN 'completed' THEN updated_at
            ELSE ended_at + interval '1 day' END
        OR due_at > CASE status
            WHEN 'open' THEN greatest(window_closes_at, now() + interval '1 hour')
            WHEN 'ranking' THEN now() + interval '1 hour'
            WHEN 'completed' THEN now() + interval '1 hour'
            ELSE now() + interval '25 hours' END)
UNION ALL
    SELECT 'owes_too_much', format('drop %s is %s with nothing to wipe, and a task is due for it', id, status)
    FROM jobs WHERE status IN ('verified', 'cancelled', 'failed') AND due_at IS NOT NULL AND env_vars IS NULL
UNION ALL
    SELECT 'owes_nothing', format('drop %s is %s and no task is due for it', id, status)
    FROM jobs WHERE (status NOT IN ('verified', 'cancelled', 'failed') OR env_vars IS NOT NULL) AND due_at IS NULL;
