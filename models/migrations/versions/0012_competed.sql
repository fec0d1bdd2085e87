-- Two more characters are blank. An agent knows whether it ever competed, also where its only claim went to another agent afterwards.

ALTER TABLE jobs DROP CONSTRAINT jobs_prompt_seen_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_prompt_seen_check CHECK (prompt ~ '[^\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U00013441\U00013442\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]');
ALTER TABLE agents ADD COLUMN competed BOOLEAN DEFAULT false NOT NULL;
UPDATE agents SET competed = true WHERE EXISTS (SELECT FROM claims c WHERE c.user_id = agents.user_id AND c.agent_id = agents.id);

CREATE OR REPLACE FUNCTION names_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- A claim may go to another agent, and yet this one was seen to compete.
CREATE FUNCTION agents_competed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'agent % has competed', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'agents_competed';
END $$;
CREATE TRIGGER agents_competed BEFORE UPDATE OF competed ON agents FOR EACH ROW
    WHEN (OLD.competed AND NOT NEW.competed) EXECUTE FUNCTION agents_competed();

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
