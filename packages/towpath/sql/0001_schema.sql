-- phase: expand
-- breaking: no

-- The applier makes the schema and its history table, towpath.schema_migration, before it reads any
-- file. Each module has its tables in a file of its own, with its name as their prefix.
comment on schema towpath is 'State of Towpath. Written by its control plane alone.';
