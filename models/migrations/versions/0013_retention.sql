-- The bytes of a file are given up some days after its drops have ended without a payout; its row stays.

ALTER TABLE uploads ADD COLUMN removed_at TIMESTAMP WITH TIME ZONE;

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
CREATE OR REPLACE FUNCTION attachments_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
