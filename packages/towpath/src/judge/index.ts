export type { Arm, Judge, JudgeInput, JudgeRules, Verdict } from './model.ts';
export { simpleJudge } from './simple.ts';
