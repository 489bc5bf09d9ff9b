export const TITLE = 'Growth actions';
export const NOTHING_WAITING = 'All done for now. Run a recommender, or wait for its next turn.';
export const NOTHING_DECIDED = 'Nothing was decided yet.';
