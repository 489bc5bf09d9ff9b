-- phase: expand
-- breaking: no

-- Up to which time the ticks of a cron group were looked at: what lies between it and now is due or
-- was missed. A changed schedule starts anew, so that it never has a past to catch up with.
create table towpath.cron_group (
  app text not null,
  environment text not null,
  grp text not null,
  schedule text not null,
  considered_until timestamptz not null,
  primary key (app, environment, grp)
);

-- One row a tick, whoever claims it first: the unique key is what makes a tick happen once.
create table towpath.cron_tick (
  id bigint generated always as identity primary key,
  app text not null,
  environment text not null,
  grp text not null,
  tick timestamptz not null,
  state text not null check (state in ('claimed', 'running', 'done', 'failed', 'skipped')),
  release bigint not null,
  -- Of the controller that wrote last; one with a lower epoch writes no more.
  epoch bigint not null,
  attempt integer not null default 1,
  -- Names the instance of this attempt. Set before it is started, so that a crash in between is seen.
  token text,
  because text not null default '',
  claimed_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  unique (app, environment, grp, tick)
);

create index cron_tick_in_hand on towpath.cron_tick (app, environment, grp, tick) where state in ('claimed', 'running');
