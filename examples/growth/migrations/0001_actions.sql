create table shops (
  id bigint generated always as identity primary key,
  domain text not null unique,
  created_at timestamptz not null default now()
);

-- What a recommender saw when it made its proposals.
create table signals (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  recommender text not null,
  subject text not null,
  facts jsonb not null,
  seen_at timestamptz not null default now(),
  unique (shop_id, recommender, subject)
);

create table recommender_flags (
  recommender text primary key,
  enabled boolean not null default true,
  changed_at timestamptz not null default now()
);

-- One row is one tick that took effect; it is committed together with its proposals.
create table recommender_runs (
  id bigint generated always as identity primary key,
  recommender text not null,
  tick text not null,
  scheduled_at timestamptz not null,
  attempt int not null,
  outcome text not null check (outcome in ('proposed', 'nothing', 'switched-off')),
  proposals int not null default 0,
  release text not null,
  started_at timestamptz not null,
  finished_at timestamptz not null default now(),
  unique (recommender, tick)
);

create table recommender_failures (
  id bigint generated always as identity primary key,
  recommender text not null,
  tick text not null,
  attempt int not null,
  error text not null,
  at timestamptz not null default now()
);

create table actions (
  id bigint generated always as identity primary key,
  shop_id bigint not null references shops,
  run_id bigint references recommender_runs,
  type text not null,
  subject text not null,
  title text not null,
  payload jsonb not null,
  diff jsonb not null default '{}',
  confidence real not null default 0.5 check (confidence between 0 and 1),
  estimated_impact real not null default 0,
  source text not null,
  status text not null default 'pending'
    check (status in ('pending', 'approved', 'rejected', 'executing', 'executed', 'failed', 'rolled_back')),
  -- Sent with every attempt, so that Shopify carries the action out once however often we ask.
  idempotency_key text not null unique default gen_random_uuid()::text,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- The fence: whoever holds the token may finish the action, until the claim has expired.
  claimed_by text,
  claim_token uuid,
  claim_expires_at timestamptz,
  claims int not null default 0,
  prior_values jsonb,
  result jsonb,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index actions_due on actions (next_attempt_at, id) where status in ('approved', 'executing');
create index actions_by_status on actions (status, id desc);
-- A recommender does not propose again what is still waiting for a decision.
create unique index actions_waiting_once on actions (shop_id, type, subject)
  where status = 'pending' and run_id is not null;

create table action_events (
  id bigint generated always as identity primary key,
  action_id bigint not null references actions,
  status text not null,
  by text not null,
  note text,
  at timestamptz not null default now()
);
create index action_events_of on action_events (action_id, id);
