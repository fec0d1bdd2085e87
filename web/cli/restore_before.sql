-- Before a dump is restored, in the same transaction: all that is in the schema goes, whatever version of
-- clorp made it. What belongs to an extension stays, and so does the schema, which may be somebody else's;
-- what belongs to a table, such as the sequence of an identity, goes with it.
SET lock_timeout = '10s';
SET statement_timeout = 0; -- of the role, and too short for what drops or rewrites every row
SET idle_in_transaction_session_timeout = 0;
SET client_min_messages = warning;
DO $$
DECLARE
    statements text[];
    statement text;
BEGIN
    IF to_regnamespace('public') IS NULL THEN
        CREATE SCHEMA public;
    END IF;
    SELECT array_agg(found.statement ORDER BY place) INTO statements FROM (
        SELECT 1 AS place, c.oid, 'pg_class'::regclass AS catalog, format('DROP %s IF EXISTS public.%I CASCADE',
            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                ELSE 'TABLE' END, c.relname) AS statement
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL
        SELECT 2, p.oid, 'pg_proc'::regclass, format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    ) found WHERE NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = found.catalog AND d.objid = found.oid AND d.deptype IN ('e', 'a', 'i'));
    FOREACH statement IN ARRAY coalesce(statements, '{}') LOOP
        EXECUTE statement;
    END LOOP;
END $$;
