export const TITLE = 'Growth actions';
export const NOTHING_WAITING = 'Nothing is waiting. Run a recommender, or wait for its next turn.';
export const NOTHING_DECIDED = 'Nothing was decided yet.';
