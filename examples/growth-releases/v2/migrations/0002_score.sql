-- phase: expand
-- Without a default the table is not rewritten, and releases that do not know the column go on working.
alter table actions add column score real;
