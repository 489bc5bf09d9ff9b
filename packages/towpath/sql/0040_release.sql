-- phase: expand
-- breaking: no

-- A numbered bundle: artifact, config, migration set, process groups. Immutable once built.
create table towpath.release (
  app text not null,
  number int not null,
  source jsonb not null,
  artifact text,
  location text,
  config jsonb,
  config_hash text,
  migrations jsonb,
  build_ms int,
  created_at timestamptz not null default clock_timestamp(),
  primary key (app, number)
);

-- What an environment is meant to run while no rollout moves it.
create table towpath.environment (
  app text not null,
  environment text not null,
  serving int,
  -- The run that started the instances of the serving release; part of their tokens.
  serving_run bigint,
  -- The release whose cron groups fire.
  cron_release int,
  cron_run bigint,
  -- Why deploys are paused, when they are.
  deploys_paused text,
  primary key (app, environment)
);

-- What was counted over a run, so that a verdict survives a crash of the controller.
create table towpath.meter (
  run bigint primary key references towpath.run (id),
  state jsonb not null
);
