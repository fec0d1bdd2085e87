-- Judging by models: every call to one is kept, and each drop knows which judges it has come to.

ALTER TABLE jobs ADD COLUMN panel TEXT DEFAULT 'first' NOT NULL,
    ADD CONSTRAINT jobs_panel_check CHECK (panel IN ('first', 'contested', 'second', 'local'));

CREATE TABLE calls (
    id UUID NOT NULL,
    job_id UUID NOT NULL,
    k SMALLINT NOT NULL,
    model TEXT NOT NULL,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT,
    trouble TEXT DEFAULT '' NOT NULL,
    prompt_hash TEXT DEFAULT '' NOT NULL,
    raw TEXT DEFAULT '' NOT NULL,
    input_tokens INTEGER DEFAULT 0 NOT NULL,
    output_tokens INTEGER DEFAULT 0 NOT NULL,
    microcents BIGINT NOT NULL,
    milliseconds INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT calls_pkey PRIMARY KEY (id),
    CONSTRAINT calls_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id),
    CONSTRAINT calls_id_job_id_k_key UNIQUE (id, job_id, k),
    CONSTRAINT calls_outcome_check CHECK (outcome IN ('answered', 'invalid', 'refused', 'timeout', 'limited', 'failed')),
    CONSTRAINT calls_ended_check CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT calls_cost_check CHECK (input_tokens >= 0 AND output_tokens >= 0 AND microcents >= 0)
);
CREATE INDEX calls_of_job ON calls (job_id, k);
CREATE INDEX calls_begun ON calls (begun_at);

ALTER TABLE ballots ADD COLUMN call_id UUID,
    ADD CONSTRAINT ballots_call FOREIGN KEY (call_id, job_id, k) REFERENCES calls (id, job_id, k);
