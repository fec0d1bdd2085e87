-- After a dump was restored, in the same transaction. Events name the transactions that wrote them, and those
-- of another server may be ahead of this one's: what is yet to come would be taken for history.
DO $$
BEGIN
    IF to_regclass('public.events') IS NOT NULL THEN
        ALTER TABLE public.events DISABLE TRIGGER events_append_only;
        UPDATE public.events SET xid = 0 WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
        ALTER TABLE public.events ENABLE TRIGGER events_append_only;
    END IF;
END $$;
