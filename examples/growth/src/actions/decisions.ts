import type { Db } from '../db.ts';
import { LISTED, type ListedAction } from './proposals.ts';

export async function find(
  db: Db,
  by: { readonly id: number } | { readonly key: string },
): Promise<ListedAction | undefined> {
  const found =
    'id' in by
      ? await db.query<ListedAction>(`select ${LISTED} from actions where id = $1`, [by.id])
      : await db.query<ListedAction>(`select ${LISTED} from actions where idempotency_key = $1`, [by.key]);
  return found.rows[0];
}

/** An operator's decision on a pending action. @returns false when it is not pending any more */
export async function decide(db: Db, id: number, status: 'approved' | 'rejected', by: string): Promise<boolean> {
  const decided = await db.query(
    `with decided as (
       update actions set status = $2, next_attempt_at = now(), updated_at = now()
       where id = $1 and status = 'pending' returning id),
     event as (insert into action_events (action_id, status, by) select id, $2, $3 from decided)
     select id from decided`,
    [id, status, by],
  );
  return decided.rowCount === 1;
}

/** The newest actions that are not waiting for a decision. */
export async function lately(db: Db, limit: number): Promise<ListedAction[]> {
  const found = await db.query<ListedAction>(
    `select ${LISTED} from actions where status <> 'pending' order by id desc limit $1`,
    [limit],
  );
  return found.rows;
}
