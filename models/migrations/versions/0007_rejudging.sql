-- Second verdicts on decided drops, for whoever wants to compare judges. They move nothing.

CREATE TABLE rejudgements (
    id UUID NOT NULL,
    job_id UUID NOT NULL,
    judge TEXT NOT NULL,
    models TEXT[] NOT NULL,
    verdict JSONB NOT NULL,
    agreement DOUBLE PRECISION NOT NULL,
    contested BOOLEAN NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    microcents BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT rejudgements_pkey PRIMARY KEY (id),
    CONSTRAINT rejudgements_job_id_fkey FOREIGN KEY(job_id) REFERENCES jobs (id),
    CONSTRAINT rejudgements_agreement_check CHECK (agreement BETWEEN 0 AND 1),
    CONSTRAINT rejudgements_cost_check CHECK (input_tokens >= 0 AND output_tokens >= 0 AND microcents >= 0)
);
CREATE INDEX rejudgements_of_job ON rejudgements (job_id, id);

CREATE TRIGGER rejudgements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rejudgements
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
