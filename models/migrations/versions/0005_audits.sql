-- The audit that runs by itself: what it found last, and the promises that it did not look at before.

CREATE TABLE audits (
    latest BOOLEAN DEFAULT true NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE NOT NULL,
    milliseconds INTEGER NOT NULL,
    violations INTEGER NOT NULL,
    rules JSONB NOT NULL,
    examples JSONB NOT NULL,
    CONSTRAINT audits_pkey PRIMARY KEY (latest),
    CONSTRAINT audits_latest_check CHECK (latest)
);

-- Drops that ended before there were events.
INSERT INTO events (job_id, kind, data, created_at)
    SELECT j.id, 'payout.posted',
        jsonb_build_object('agent_id', s.agent_id, 'payout_cents', j.price_cents - j.fee_cents), j.ended_at
    FROM jobs j JOIN submissions s ON s.id = j.winning_submission_id
    WHERE j.status = 'verified'
        AND NOT EXISTS (SELECT FROM events e WHERE e.job_id = j.id AND e.kind = 'payout.posted')
    ORDER BY j.ended_at;
INSERT INTO events (job_id, kind, data, created_at)
    SELECT j.id, 'drop.' || j.status, jsonb_strip_nulls(jsonb_build_object('reason', j.failure_reason)), j.ended_at
    FROM jobs j
    WHERE j.status IN ('cancelled', 'failed')
        AND NOT EXISTS (SELECT FROM events e WHERE e.job_id = j.id AND e.kind = 'drop.' || j.status)
    ORDER BY j.ended_at;

-- A drop ends once, and the audit asks each minute whether that was told.
CREATE UNIQUE INDEX events_last ON events (job_id, kind)
    WHERE kind IN ('payout.posted', 'drop.failed', 'drop.cancelled');

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
    SELECT 'ranks', format('drop %s has %s entries and ranks %s', j.id, coalesce(s.entries, 0), s.ranks)
    FROM jobs j LEFT JOIN (
        SELECT job_id, count(*) AS entries, array_agg(rank ORDER BY rank) AS ranks FROM submissions GROUP BY job_id
    ) s ON s.job_id = j.id
    WHERE (j.status IN ('completed', 'verified') OR j.failure_reason = 'below_min_grade')
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
    SELECT 'owes_too_much', format('drop %s is %s with nothing to wipe, and a task is due for it', id, status)
    FROM jobs WHERE status IN ('verified', 'cancelled', 'failed') AND due_at IS NOT NULL AND env_vars IS NULL
UNION ALL
    SELECT 'owes_nothing', format('drop %s is %s and no task is due for it', id, status)
    FROM jobs WHERE (status NOT IN ('verified', 'cancelled', 'failed') OR env_vars IS NOT NULL) AND due_at IS NULL;
