-- Payments: money on its way between wallets and the world, and the transfers that it makes.

CREATE TABLE payments (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    rail TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    automatic BOOLEAN DEFAULT false NOT NULL,
    reference TEXT,
    checkout_url TEXT,
    failure_reason TEXT,
    due_at TIMESTAMP WITH TIME ZONE,
    attempts INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_kind_check CHECK (kind IN ('topup', 'withdrawal')),
    CONSTRAINT payments_state_check CHECK (state IN ('requested', 'pending', 'succeeded', 'failed')),
    CONSTRAINT payments_rail_check CHECK (rail IN ('sandbox', 'stripe')),
    CONSTRAINT payments_amount_check CHECK (amount_cents > 0),
    CONSTRAINT payments_automatic_check CHECK (NOT (automatic AND kind <> 'topup')),
    CONSTRAINT payments_failure_check CHECK ((state = 'failed') = (failure_reason IS NOT NULL)),
    CONSTRAINT payments_owed_check CHECK (state <> 'requested' OR due_at IS NOT NULL),
    CONSTRAINT payments_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX payments_of_user ON payments (user_id, id);
CREATE UNIQUE INDEX payments_one_automatic ON payments (user_id) WHERE automatic AND state IN ('requested', 'pending');

CREATE TABLE payment_notices (
    id TEXT NOT NULL,
    payment_id UUID NOT NULL,
    kind TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT payment_notices_pkey PRIMARY KEY (id),
    CONSTRAINT payment_notices_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id)
);
CREATE INDEX payment_notices_of_payment ON payment_notices (payment_id);

CREATE TABLE payment_profiles (
    user_id UUID NOT NULL,
    customer TEXT,
    payment_method TEXT,
    payout_account TEXT,
    payout_ready BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT payment_profiles_pkey PRIMARY KEY (user_id),
    CONSTRAINT payment_profiles_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT payment_profiles_payout_account_key UNIQUE (payout_account)
);

CREATE TABLE auto_topups (
    user_id UUID NOT NULL,
    enabled BOOLEAN NOT NULL,
    threshold_cents BIGINT NOT NULL,
    amount_cents BIGINT NOT NULL,
    failures SMALLINT DEFAULT 0 NOT NULL,
    rests_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT auto_topups_pkey PRIMARY KEY (user_id),
    CONSTRAINT auto_topups_amounts_check CHECK (threshold_cents >= 0 AND amount_cents > 0),
    CONSTRAINT auto_topups_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX auto_topups_enabled ON auto_topups (user_id) WHERE enabled;

ALTER TABLE transfers
    ADD COLUMN payment_id uuid,
    ADD CONSTRAINT transfers_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id),
    DROP CONSTRAINT transfers_kind_check,
    ADD CONSTRAINT transfers_kind_check CHECK (
        kind IN ('hold', 'refund', 'payout', 'fee', 'credit', 'topup', 'withdrawal', 'withdrawal_return')),
    DROP CONSTRAINT transfers_job_check,
    ADD CONSTRAINT transfers_job_check CHECK (
        (kind IN ('hold', 'refund', 'payout', 'fee')) = (job_id IS NOT NULL)),
    ADD CONSTRAINT transfers_payment_check CHECK (
        (kind IN ('topup', 'withdrawal', 'withdrawal_return')) = (payment_id IS NOT NULL));
CREATE UNIQUE INDEX transfers_of_payment ON transfers (payment_id, kind) WHERE payment_id IS NOT NULL;

INSERT INTO transfer_routes VALUES
    ('topup', 'world', 'wallet'),
    ('withdrawal', 'wallet', 'world'),
    ('withdrawal_return', 'world', 'wallet');

-- The transfers that go another way, through the escrow of another drop than their own, or with another
-- wallet or amount than their payment's.
CREATE OR REPLACE VIEW misrouted_transfers AS
    SELECT t.id, t.kind, d.kind AS debit_kind, c.kind AS credit_kind
    FROM transfers t JOIN accounts d ON d.id = t.debit_id JOIN accounts c ON c.id = t.credit_id
    WHERE (t.kind, d.kind, c.kind) NOT IN (SELECT kind, debit_kind, credit_kind FROM transfer_routes)
        OR coalesce(d.job_id, c.job_id) IS DISTINCT FROM t.job_id
        OR t.payment_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM payments p WHERE p.id = t.payment_id AND p.amount_cents = t.amount_cents
                AND p.user_id = coalesce(d.user_id, c.user_id));

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

-- Audit -------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW audit_violations(rule, detail) AS
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
    SELECT 'settled_once', format('drop %s is %s with %s holds, %s payouts, %s refunds', j.id, j.status,
        j.holds, j.payouts, j.refunds)
    FROM (
        SELECT j.id, j.status, j.opened_at,
            count(*) FILTER (WHERE t.kind = 'hold') AS holds,
            count(*) FILTER (WHERE t.kind = 'payout') AS payouts,
            count(*) FILTER (WHERE t.kind = 'refund') AS refunds
        FROM jobs j LEFT JOIN transfers t ON t.job_id = j.id GROUP BY j.id
    ) j
    WHERE j.holds <> CASE WHEN j.opened_at IS NULL THEN 0 ELSE 1 END
        OR j.payouts <> CASE WHEN j.status = 'verified' THEN 1 ELSE 0 END
        OR j.refunds <> CASE WHEN j.opened_at IS NOT NULL AND j.status IN ('cancelled', 'failed') THEN 1 ELSE 0 END
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
    SELECT 'ranks', format('drop %s has %s entries and ranks %s', j.id, s.entries, s.ranks)
    FROM jobs j CROSS JOIN LATERAL (
        SELECT count(*) AS entries, array_agg(rank ORDER BY rank) AS ranks FROM submissions WHERE job_id = j.id
    ) s
    WHERE j.status IN ('completed', 'verified')
        AND s.ranks IS DISTINCT FROM ARRAY(SELECT generate_series(1, s.entries)::smallint)
UNION ALL
    SELECT 'late_entry', format('entry %s came %s after its window', s.id, s.revised_at - j.window_closes_at)
    FROM submissions s JOIN jobs j ON j.id = s.job_id WHERE s.revised_at >= j.window_closes_at
UNION ALL
    SELECT 'slots', format('drop %s has %s entries in %s slots', j.id, count(*), j.max_claims)
    FROM jobs j JOIN submissions s ON s.job_id = j.id GROUP BY j.id HAVING count(*) > j.max_claims
UNION ALL
    SELECT 'own_drop', format('the sender of drop %s competes in it', j.id)
    FROM jobs j JOIN submissions s ON s.job_id = j.id AND s.user_id = j.sender_id
UNION ALL
    SELECT 'payment_disagrees', format('%s %s is %s with the transfers %s', kind, id, state, kinds)
    FROM unsettled_payments
UNION ALL
    SELECT 'owes_nothing', format('drop %s is %s and no task is due for it', id, status)
    FROM jobs WHERE ended_at IS NULL AND due_at IS NULL;
