-- phase: expand
-- breaking: no
-- Attempts whose run was ended from outside, or whose end nobody saw: they use up none of the retries.
alter table towpath.cron_tick add column interrupted integer not null default 0;
