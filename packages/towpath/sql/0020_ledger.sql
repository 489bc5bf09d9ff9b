-- phase: expand
-- breaking: no
-- The evidence ledger: append-only, hash-chained. One row is a claim with its proof.
create schema if not exists towpath;

create table towpath.ledger (
  -- Dense from 1, given under the lock of towpath.ledger_head: a sequence would leave gaps.
  seq bigint primary key check (seq > 0),
  at timestamptz not null,
  app text,
  environment text,
  rollout bigint,
  actor text not null,
  kind text not null,
  body jsonb not null,
  previous text not null,
  -- sha256 of previous || content, in hex: anyone can check it in SQL alone.
  hash text not null,
  -- The hashed text: canonical JSON of all of the row but previous and hash. The columns before are
  -- copies of it to search by, since jsonb does not keep the bytes of what it was given.
  content text not null
);
create index ledger_by_rollout on towpath.ledger (rollout, seq) where rollout is not null;
create index ledger_by_scope on towpath.ledger (app, environment, seq);

-- One row: where the chain ends. Shows that rows are missing at the end.
create table towpath.ledger_head (
  one boolean primary key default true check (one),
  seq bigint not null,
  hash text not null
);
insert into towpath.ledger_head (seq, hash) values (0, repeat('0', 64));

create function towpath.ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'towpath.% is append-only: % is refused', tg_table_name, tg_op
    using hint = 'add a row that corrects the earlier one';
end
$$;
create trigger append_only before update or delete on towpath.ledger
  for each row execute function towpath.ledger_is_append_only();
create trigger append_only_all before truncate on towpath.ledger
  for each statement execute function towpath.ledger_is_append_only();
create trigger append_only before delete on towpath.ledger_head
  for each row execute function towpath.ledger_is_append_only();
create trigger append_only_all before truncate on towpath.ledger_head
  for each statement execute function towpath.ledger_is_append_only();
