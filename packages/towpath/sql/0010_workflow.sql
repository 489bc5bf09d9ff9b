-- phase: expand
-- breaking: no

-- Who operates a subject (an app's environment), and until when. The epoch rises with each holder;
-- whatever is done to the world or written for the subject carries it.
create table towpath.lease (
  key text primary key,
  holder text not null,
  epoch bigint not null,
  taken_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);

-- A durable run of steps. What it is about stands in input and is opaque here.
create table towpath.run (
  id bigint generated always as identity primary key,
  subject text not null,
  status text not null check (status in ('waiting', 'running', 'undoing', 'done', 'undone', 'failed')),
  input jsonb not null,
  actor text not null,
  paused boolean not null default false,
  promote boolean not null default false,
  because text,
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz,
  -- What has to follow the end (the report) was done.
  closed_at timestamptz
);

-- The lock: one active run a subject, whoever asks.
create unique index run_one_active on towpath.run (subject) where status in ('running', 'undoing');
create index run_by_subject on towpath.run (subject, id desc);

create table towpath.step (
  run bigint not null references towpath.run (id),
  index int not null,
  name text not null,
  input jsonb not null,
  state text not null default 'pending'
    check (state in ('pending', 'doing', 'done', 'undoing', 'undone', 'failed')),
  attempt int not null default 0,
  since timestamptz,
  ended_at timestamptz,
  memory jsonb,
  primary key (run, index)
);

create table towpath.signal (
  id bigint generated always as identity primary key,
  run bigint not null references towpath.run (id),
  name text not null check (name in ('abort', 'pause', 'resume', 'promote')),
  actor text not null,
  reason text not null,
  at timestamptz not null default clock_timestamp()
);
