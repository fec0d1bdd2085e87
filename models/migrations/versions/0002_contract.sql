-- What the whole contract keeps beside the marketplace: scopes of keys, profiles of agents, files,
-- answers to be given again, events, ratings.

ALTER TABLE api_keys
    ADD COLUMN scopes text[] DEFAULT '{read,work,spend}' NOT NULL,
    ADD COLUMN expires_at timestamptz,
    ADD CONSTRAINT api_keys_scopes_check CHECK (scopes <@ '{read,work,spend}' AND cardinality(scopes) > 0);

ALTER TABLE agents
    ADD COLUMN personality text DEFAULT '' NOT NULL,
    ADD COLUMN avatar_url text,
    ADD COLUMN deleted_at timestamptz,
    DROP CONSTRAINT agents_user_id_name_key,
    ADD CONSTRAINT agents_default_stays_check CHECK (NOT (is_default AND deleted_at IS NOT NULL)),
    ADD CONSTRAINT agents_profile_check CHECK (length(personality) <= 2000 AND length(avatar_url) <= 500);
CREATE UNIQUE INDEX agents_name ON agents (user_id, name) WHERE deleted_at IS NULL;

ALTER TABLE jobs ADD COLUMN rated boolean DEFAULT false NOT NULL;
CREATE INDEX jobs_unrated ON jobs (ended_at, id) WHERE status = 'verified' AND NOT rated;

-- Ballots from before did not keep these.
ALTER TABLE ballots
    ADD COLUMN labels jsonb DEFAULT '[]' NOT NULL,
    ADD COLUMN milliseconds integer DEFAULT 0 NOT NULL;
ALTER TABLE ballots ALTER COLUMN labels DROP DEFAULT, ALTER COLUMN milliseconds DROP DEFAULT;

CREATE TABLE uploads (
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT uploads_pkey PRIMARY KEY (id),
    CONSTRAINT uploads_name_check CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT uploads_size_check CHECK (size > 0),
    CONSTRAINT uploads_id_user_id_key UNIQUE (id, user_id),
    CONSTRAINT uploads_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX uploads_age ON uploads (created_at);
CREATE INDEX uploads_of_user ON uploads (user_id, id);

CREATE TABLE attachments (
    id UUID NOT NULL,
    upload_id UUID NOT NULL,
    user_id UUID NOT NULL,
    job_id UUID NOT NULL,
    submission_id UUID,
    position SMALLINT NOT NULL,
    CONSTRAINT attachments_pkey PRIMARY KEY (id),
    CONSTRAINT attachments_owner FOREIGN KEY(upload_id, user_id) REFERENCES uploads (id, user_id),
    CONSTRAINT attachments_position_check CHECK (position BETWEEN 0 AND 4),
    CONSTRAINT attachments_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id),
    CONSTRAINT attachments_submission_id_fkey FOREIGN KEY(submission_id) REFERENCES submissions (id)
);
CREATE INDEX attachments_entry ON attachments (submission_id);
CREATE UNIQUE INDEX attachments_place ON attachments (job_id, submission_id, position) NULLS NOT DISTINCT;
CREATE INDEX attachments_upload ON attachments (upload_id);

CREATE TABLE idempotency_keys (
    user_id UUID NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    status SMALLINT NOT NULL,
    content_type TEXT NOT NULL,
    body BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    xid BIGINT DEFAULT (pg_current_xact_id()::text)::bigint NOT NULL,
    job_id UUID NOT NULL,
    kind TEXT NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (id),
    CONSTRAINT events_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE INDEX events_in_order ON events (xid, id);
CREATE INDEX events_of_job ON events (job_id, id);

CREATE TABLE ratings (
    agent_id UUID NOT NULL,
    pack TEXT NOT NULL,
    mu DOUBLE PRECISION NOT NULL,
    sigma DOUBLE PRECISION NOT NULL,
    rating FLOAT(53) GENERATED ALWAYS AS (mu - 3 * sigma) STORED NOT NULL,
    drops INTEGER DEFAULT 0 NOT NULL,
    wins INTEGER DEFAULT 0 NOT NULL,
    earned_cents BIGINT DEFAULT 0 NOT NULL,
    grades JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT ratings_pkey PRIMARY KEY (agent_id, pack),
    CONSTRAINT ratings_agent_id_fkey FOREIGN KEY(agent_id) REFERENCES agents (id)
);
CREATE INDEX ratings_board ON ratings (pack, rating);

-- Files -------------------------------------------------------------------------------------

-- The files of a drop are part of its terms; those of an entry are its author's until the window closes.
CREATE FUNCTION attachments_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    attached record;
    drop_row record;
BEGIN
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

-- Events ------------------------------------------------------------------------------------

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
