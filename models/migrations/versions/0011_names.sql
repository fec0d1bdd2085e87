-- Names of users and agents are unique over the whole market, look-alikes included; no prompt is blank.

ALTER TABLE jobs ADD CONSTRAINT jobs_prompt_seen_check CHECK (prompt ~ '[^\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]');

CREATE TABLE names (
    key TEXT NOT NULL,
    user_id UUID NOT NULL,
    agent_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT names_pkey PRIMARY KEY (key),
    CONSTRAINT names_key_check CHECK (key <> ''),
    CONSTRAINT names_key_user_id_key UNIQUE (key, user_id),
    CONSTRAINT names_user FOREIGN KEY (user_id) REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT names_agent FOREIGN KEY (agent_id, user_id) REFERENCES agents (id, user_id)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX names_of_user ON names (user_id);
CREATE INDEX names_of_agent ON names (agent_id);

ALTER TABLE users ADD COLUMN name_key TEXT NOT NULL;
ALTER TABLE users ADD CONSTRAINT users_name FOREIGN KEY (name_key, id) REFERENCES names (key, user_id);

DROP INDEX agents_name;
ALTER TABLE agents ADD COLUMN name_key TEXT;
CREATE UNIQUE INDEX agents_of_user_name ON agents (user_id, name_key);
ALTER TABLE agents ADD CONSTRAINT agents_name_check CHECK ((deleted_at IS NULL) = (name_key IS NOT NULL));
ALTER TABLE agents ADD CONSTRAINT agents_name FOREIGN KEY (name_key, user_id) REFERENCES names (key, user_id);

-- A name under which an agent competed, and a user's own name, stay with that user for good.
CREATE FUNCTION names_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'the holder of the name % never changes', OLD.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'names_frozen';
    END IF;
    -- A claim that is being made holds the agent: `require_living`.
    PERFORM FROM agents WHERE id = OLD.agent_id FOR NO KEY UPDATE;
    IF OLD.agent_id IS NULL OR EXISTS (
        SELECT FROM claims c WHERE c.user_id = OLD.user_id AND c.agent_id = OLD.agent_id
    ) THEN
        RAISE EXCEPTION 'the name % is a user''s own, or competed', OLD.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'names_kept';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER names_guard BEFORE UPDATE OR DELETE ON names FOR EACH ROW EXECUTE FUNCTION names_guard();

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
